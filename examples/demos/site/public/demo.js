// What the page of each demo needs: a WebSocket that comes back by itself, and the line that says which connection this is, how old
// it is, and which release answers. During a deploy the release changes and the connection does not.

import ReconnectingWebSocket from "/site/partysocket.js";

/**
 * Connects to the demo's own path. Messages are JSON, both ways. The server's `{ hello: { id, release } }` is for the line at the end of
 * the page, and nobody else hears of it.
 * @param {string} place What follows the demo's path: `blue?name=Ada`.
 * @param {{ onMessage(message: any): void, onOpen?(): void, onClose?(): void }} hooks `onOpen` is called again after each reconnect.
 * @returns {{ send(message: unknown): boolean, close(): void }} `send` returns false, and has sent nothing, while there is no connection.
 */
export function connect(place, { onMessage, onOpen = () => {}, onClose = () => {} }) {
  const url = new URL(place, location.href.replace(/^http/, "ws").replace(/[^/]*(\?.*)?(#.*)?$/, ""));
  // What is sent while there is no connection would be sent to another one, later: a demo says so instead.
  // Pages that lose their gateway together come back at different times.
  const minReconnectionDelay = 500 + 1500 * Math.random();
  const socket = new ReconnectingWebSocket(url.href, [], { maxEnqueuedMessages: 0, minReconnectionDelay, maxReconnectionDelay: 4000 });
  const line = new ConnectionLine(document.getElementById("connection"));
  socket.addEventListener("open", () => {
    line.opened();
    onOpen();
  });
  socket.addEventListener("close", () => {
    if (line.closed()) onClose();
  });
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.hello === undefined) onMessage(message);
    else line.hello(message.hello);
  });
  return {
    send(message) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message));
      return true;
    },
    close: () => socket.close(),
  };
}

/** A name for those who have given none, the same in each demo and after a reload. */
export function myName() {
  const given = new URLSearchParams(location.search).get("name");
  if (given !== null && given.trim() !== "") return given.trim().slice(0, 40).toWellFormed();
  const known = sessionStorage.getItem("name");
  if (known !== null) return known;
  const names = ["Ada", "Alan", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Joan", "Ken", "Niklaus", "Radia"];
  const name = `${names[Math.floor(Math.random() * names.length)]} ${Math.floor(Math.random() * 90) + 10}`;
  sessionStorage.setItem("name", name);
  return name;
}

class ConnectionLine {
  /** @param {HTMLElement | null} element */
  constructor(element) {
    this.element = element ?? document.body.appendChild(document.createElement("footer"));
    this.openedAt = 0;
    this.isOpen = false;
    this.times = 0;
    this.parts = {};
    for (const [name, label] of [
      ["state", "Connection"],
      ["id", "Id"],
      ["age", "Age"],
      ["release", "Release"],
      ["reconnects", "Reconnects"],
    ]) {
      const item = document.createElement("span");
      const term = document.createElement("b");
      const value = document.createElement("span");
      term.textContent = label;
      value.dataset.part = name;
      item.append(term, " ", value);
      this.element.append(item);
      this.parts[name] = value;
    }
    // Only what changes is read out: the age would be, each second.
    this.parts.state.setAttribute("role", "status");
    this.parts.release.setAttribute("role", "status");
    this.show("state", "connecting");
    this.show("reconnects", "0");
    setInterval(() => this.showAge(), 1000);
  }

  opened() {
    this.isOpen = true;
    this.openedAt = Date.now();
    this.show("state", "connected");
    this.show("reconnects", String(this.times++));
    this.showAge();
  }

  /** @returns whether it was open. */
  closed() {
    const wasOpen = this.isOpen;
    this.isOpen = false;
    this.show("state", "reconnecting …");
    return wasOpen;
  }

  /** @param {{ id: string, release: string }} hello */
  hello({ id, release }) {
    const before = this.parts.release.textContent;
    this.show("id", id);
    this.show("release", release);
    if (before === "" || before === release) return;
    this.element.classList.remove("changed");
    // Begins the animation anew.
    void this.element.offsetWidth;
    this.element.classList.add("changed");
  }

  showAge() {
    if (!this.isOpen) return;
    const seconds = Math.floor((Date.now() - this.openedAt) / 1000);
    const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
    this.show("age", hours > 0 ? `${hours} h ${minutes % 60} min` : minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`);
  }

  show(name, text) {
    if (this.parts[name].textContent !== text) this.parts[name].textContent = text;
    if (name === "state") this.element.dataset.state = text.split(" ")[0];
  }
}

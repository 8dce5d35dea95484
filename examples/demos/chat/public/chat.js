// The chat's page. All that it shows came from somebody else, so all of it becomes text, and no HTML.

import { connect, myName } from "/site/demo.js";

const shownMost = 300;
const unsaidMost = 10;
const typingEveryMs = 2000;

const [join, log, typingLine, say, text, note, title, list] = ["join", "log", "typing", "say", "text", "note", "here", "people"].map((id) =>
  document.getElementById(id),
);

const name = myName();
const room = new URLSearchParams(location.search).get("room")?.trim().slice(0, 40).toWellFormed() || "lobby";
join.elements.name.value = name;
join.elements.room.value = room;

/** Everybody in the room: names by connection. Undefined: somebody who has left before the list came in which they still are. */
const people = new Map();
const typing = new Set();
/** Keys of what is shown, in the same order. */
const shown = new Set();
/** What this page has said and not heard yet, by key: said again to the next connection if this one breaks. */
const unsaid = new Map();
/** Our own connection, and whether it has heard who is here. */
let me;
let isListed = false;
let typedAt = 0;

const socket = connect(`${encodeURIComponent(room)}?${new URLSearchParams({ name })}`, {
  onOpen() {
    // It begins anew with the last 20 messages; a screen reader is told of those that come after.
    for (const each of [people, typing, shown]) each.clear();
    log.replaceChildren();
    log.setAttribute("aria-busy", "true");
  },
  onMessage(message) {
    for (const [what, value] of Object.entries(message)) heard[what]?.(value, message);
  },
  onClose() {
    isListed = false;
    showNote();
  },
});

/** What to do with each kind of message. */
const heard = {
  here(members, { you }) {
    me = you;
    // What was heard meanwhile is newer than the list.
    for (const { id, name } of members) if (!people.has(id)) people.set(id, name);
    for (const [id, name] of people) if (name === undefined) people.delete(id);
    isListed = true;
    log.setAttribute("aria-busy", "false");
    for (const message of unsaid.values()) socket.send(message);
    showNote();
    showPeople();
  },
  joined({ id, name }) {
    people.set(id, name);
    showPeople();
  },
  left(id) {
    if (isListed) people.delete(id);
    else people.set(id, undefined);
    typing.delete(id);
    showPeople();
  },
  typing(id) {
    typing.add(id);
    showTyping();
  },
  stopped(id) {
    typing.delete(id);
    showTyping();
  },
  said({ key, by, name, text, at }) {
    unsaid.delete(key);
    typing.delete(by);
    showTyping();
    showNote();
    if (shown.has(key)) return;
    shown.add(key);
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const time = element("time", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = new Date(at).toISOString();
    const line = element("p", element("bdi", name), " ", time, " ", element("bdi", text));
    line.classList.toggle("own", by === me);
    log.append(line);
    if (log.childElementCount > shownMost) {
      log.firstElementChild.remove();
      shown.delete(shown.values().next().value);
    }
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  },
  error(code) {
    // Said again, it would be refused again: it goes back to where it can be changed.
    const [refused] = unsaid.values();
    unsaid.clear();
    if (text.value === "" && refused !== undefined) text.value = refused.text;
    note.textContent = `The server refuses this: ${code}`;
  },
};

say.addEventListener("submit", (event) => {
  event.preventDefault();
  if (text.value.trim() === "" || unsaid.size >= unsaidMost) return showNote();
  // Not crypto.randomUUID: browsers have it on HTTPS and localhost only.
  const message = { type: "say", key: `${Date.now().toString(36)}.${Math.random().toString(36).slice(2)}`, text: text.value };
  unsaid.set(message.key, message);
  if (isListed) socket.send(message);
  setTimeout(showNote, isListed ? 1000 : 0);
  text.value = "";
  typedAt = 0;
});

text.addEventListener("input", () => {
  if (Date.now() - typedAt < typingEveryMs || !isListed) return;
  if (socket.send({ type: "typing" })) typedAt = Date.now();
});

function showPeople() {
  if (!isListed) return;
  const sorted = [...people].sort(([, a], [, b]) => a.localeCompare(b));
  list.replaceChildren(...sorted.map(([id, name]) => element("li", element("bdi", name), id === me ? " (you)" : "")));
  title.textContent = `Here: ${people.size}`;
  showTyping();
}

function showTyping() {
  const names = [...typing].flatMap((id) => people.get(id) ?? []);
  const who = names.length === 1 ? [element("bdi", names[0]), " is typing …"] : [`${names.length} people are typing …`];
  typingLine.replaceChildren(...(names.length === 0 ? [] : who));
}

/** Tells of what was said and has not been heard yet: without a connection, or without a worker for longer than a deploy takes. */
function showNote() {
  const count = unsaid.size === 1 ? "Your message waits" : `Your ${unsaid.size} messages wait`;
  note.textContent = unsaid.size === 0 ? "" : `${count} for ${isListed ? "the server" : "a connection"}.`;
}

/** @param content Text, however it looks, and elements. */
function element(tag, ...content) {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
}

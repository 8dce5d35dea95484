// SockJS' client, over one transport. It does not come back by itself: its users do that.

import { client, hears, name, opened, server, transports } from "./client.js";

/** What was said and not heard yet. */
const waiting = new Map();
let socket;

client.say = (number) => {
  socket.send(String(number));
  return new Promise((resolve) => waiting.set(number, resolve));
};

connect();

function connect() {
  socket = new globalThis.SockJS(`${server}/room?name=${encodeURIComponent(name)}`, null, { transports });
  socket.onopen = () => opened(socket.transport);
  socket.onmessage = ({ data }) => {
    const said = JSON.parse(data);
    hears(said.name, said.number);
    if (said.name !== name) return;
    waiting.get(said.number)?.();
    waiting.delete(said.number);
  };
  socket.onclose = ({ code, reason }) => {
    // It has not opened: nobody was there.
    if (client.opens > client.closes.length) client.closes.push(`${code} ${reason}`);
    setTimeout(connect, 50);
  };
}

// Socket.IO's client, which chooses its transports itself: long-polling first, then WebSocket.

import { client, hears, name, opened, transports } from "./client.js";

const socket = globalThis.io({ auth: { name }, reconnectionDelay: 50, ...(transports && { transports }) });

client.say = async (number) => {
  const answer = await socket.emitWithAck("say", number);
  if (answer !== number) client.wrong.push(`${answer} for ${number}`);
};

socket.on("said", hears);
socket.on("connect", () => {
  const { engine } = socket.io;
  const isBest = engine.transport.name === "websocket" || transports?.includes("websocket") === false;
  if (isBest) opened(engine.transport.name);
  else engine.once("upgrade", ({ name }) => opened(name));
});
socket.on("disconnect", (reason) => client.closes.push(reason));

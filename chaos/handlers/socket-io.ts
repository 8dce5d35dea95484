// Answers socket.io-client: counts its messages, acknowledges each with the count, and tells a room.

import { setTimeout as pause } from "node:timers/promises";
import { socketIo } from "../../worker/adapters/socket-io/socket-io.ts";

/** Some turns take a while, so that a fault finds them begun, and others behind them. */
const waitEvery = 8;
const waitMs = 20;

export default socketIo({ path: "/socket.io/*" }, (io) => {
  io.on("connection", (socket) => {
    socket.join("heard");
    socket.on("say", async (number: number, done: (count: number) => void) => {
      const count = ((socket.data.count as number | undefined) ?? 0) + 1;
      if (count % waitEvery === 0) await pause(waitMs);
      socket.data.count = count;
      io.to("heard").emit("heard", socket.id, number);
      done(count);
    });
    socket.emit("hello", socket.client.id);
  });
});

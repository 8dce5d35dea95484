// Answers socket.io-client: counts its messages, acknowledges each with the count, and tells a room.

import { socketIo } from "../../worker/adapters/socket-io/socket-io.ts";

export default socketIo({ path: "/socket.io/*" }, (io) => {
  io.on("connection", (socket) => {
    socket.join("heard");
    socket.on("say", (number: number, done: (count: number) => void) => {
      const count = ((socket.data.count as number | undefined) ?? 0) + 1;
      socket.data.count = count;
      io.to("heard").emit("heard", socket.id, number);
      done(count);
    });
    socket.emit("hello", socket.client.id);
  });
});

// What one client says, all in its room hear, also those who were cut off meanwhile.

import { socketIo } from "../../worker/adapters/socket-io/socket-io.ts";

export default socketIo({ path: "/recovered/*", connectionStateRecovery: {} }, (io) => {
  io.on("connection", (socket) => {
    const room = String(socket.handshake.auth.room);
    if (!socket.recovered) {
      socket.join(room);
      socket.emit("joined");
    }
    socket.on("say", (number: number, done: () => void) => {
      io.to(room).emit("said", number);
      done();
    });
  });
});

// What a page says, everybody hears; it gets its number back.

import { type Server, socketIo } from "../../../worker/adapters/socket-io/socket-io.ts";

export default socketIo({ path: "/socket.io/*" }, (io: Server) => {
  io.on("connection", (socket) => {
    socket.join("all");
    socket.on("say", (number, done) => {
      io.to("all").emit("said", socket.handshake.auth.name, number);
      done(number);
    });
  });
});

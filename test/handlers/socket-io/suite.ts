// The server that the public test suite of Socket.IO's protocol expects.

import { type Server, socketIo } from "../../../worker/adapters/socket-io/socket-io.ts";

export default socketIo(
  { path: "/socket.io/*", pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000, connectTimeout: 1_000 },
  (io: Server) => {
    io.on("connection", (socket) => {
      socket.emit("auth", socket.handshake.auth);
      socket.on("message", (...args) => socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...args) => args.pop()(...args));
    });
    io.of("/custom").on("connection", (socket) => socket.emit("auth", socket.handshake.auth));
  },
);

import { type Server, socketIo } from "../../worker/adapters/socket-io/socket-io.ts";

export default socketIo({ path: "/socket.io/*" }, (io: Server) => {
  io.on("connection", (socket) => {
    socket.on("echo", (text) => socket.emit("echo", text));
  });
});

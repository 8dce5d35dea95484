// What the tests have Socket.IO's clients do that come back to what they were.

import { type Namespace, type Server, type Socket, socketIo } from "../../../worker/adapters/socket-io/socket-io.ts";

export default socketIo(
  { path: "/recover/*", cors: { origin: "*" }, connectionStateRecovery: { maxDisconnectionDuration: 60_000 } },
  (io: Server) => {
    const connected = (nsp: Namespace) => (socket: Socket) => {
      if (socket.isNew && !socket.recovered) socket.emit("welcome");
      socket.on("join", (room, value, done) => {
        socket.join(room);
        socket.data.value = value;
        done();
      });
      socket.on("say", (rooms, n, done) => {
        const scope = rooms.reduce((all: typeof nsp, room: string) => all.to(room), nsp);
        scope.emit("said", rooms, n);
        done();
      });
      socket.on("hang", () => new Promise(() => undefined));
      socket.on("who", (done) => done([socket.recovered, [...socket.rooms].sort(), socket.data]));
      socket.on("kick", (done) => {
        done("first");
        socket.volatile.emit("soon");
        socket.emit("bye");
        done("again");
        socket.volatile.emit("at last");
        socket.disconnect();
      });
      socket.on("disconnect", (reason) => nsp.to("watch").emit("left", reason));
    };
    io.on("connection", connected(io));
    io.of("/game").on("connection", connected(io.of("/game")));
  },
);

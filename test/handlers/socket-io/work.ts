// What the tests have Socket.IO's clients do.

import { type Server, socketIo } from "../../../worker/adapters/socket-io/socket-io.ts";

export default socketIo({ path: "/work/*", cors: { origin: "*" } }, (io: Server) => {
  io.on("connection", (socket) => {
    socket.emit("welcome", socket.isNew);
    socket.join("all");
    const answered = socket.callback("answered", (error, text) => socket.emit("heard", error?.message, text));
    socket.on("say", (n, done) => {
      socket.data.said = n;
      io.to("all").emit("said", socket.handshake.auth.name, n);
      done(n);
    });
    socket.on("ask", (ms) => socket.timeout(ms).emit("question", answered));
    socket.on("pass", (bytes, done) => done(bytes));
    socket.on("join", (room, done) => {
      socket.join(room);
      done();
    });
    socket.on("run", async (code, done) => {
      const { rooms, except, what } = code;
      const scope = rooms.reduce((all: typeof io, room: string) => all.to(room), io);
      const left = except.reduce((all: typeof io, room: string) => all.except(room), scope);
      if (what === "fetch") return done((await left.fetchSockets()).map(({ data }: { data: { said: number } }) => data.said));
      if (what === "disconnect") left.disconnectSockets();
      else if (what === "join") left.socketsJoin("later");
      else left.emit("told", what);
      done();
    });
    socket.on("leave me", (close) => socket.disconnect(close));
    socket.on("disconnect", (reason) => io.emit("left", socket.handshake.auth.name, reason));
  });
});

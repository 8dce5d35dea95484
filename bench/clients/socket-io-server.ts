// Socket.IO's own server, in one process: what bench/client-handlers/socket-io.ts is compared with.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";

const host = "127.0.0.1";

process.once("disconnect", () => process.exit());

const server = createServer();
const io = new Server(server, { serveClient: false });
io.on("connection", (socket) => {
  socket.on("echo", (text: string) => socket.emit("echo", text));
});
server.listen(0, host);
await once(server, "listening");
process.send?.({ host, port: (server.address() as AddressInfo).port });

// sockjs' own server, in one process: what bench/client-handlers/sockjs.ts is compared with. It comes without types.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";

interface SockJsConnection {
  on(event: "data", listener: (text: string) => void): void;
  write(text: string): void;
}

interface SockJsServer {
  on(event: "connection", listener: (connection: SockJsConnection) => void): void;
  installHandlers(server: Server, options: { readonly prefix: string }): void;
}

interface SockJs {
  createServer(options: { readonly log: () => void }): SockJsServer;
}

const host = "127.0.0.1";

process.once("disconnect", () => process.exit());

const sockjs = createRequire(import.meta.url)("sockjs") as SockJs;
const echo = sockjs.createServer({ log: () => undefined });
echo.on("connection", (connection) => connection.on("data", (text) => connection.write(text)));
const server = createServer();
echo.installHandlers(server, { prefix: "/echo" });
server.listen(0, host);
await once(server, "listening");
process.send?.({ host, port: (server.address() as AddressInfo).port });

// TCP ports before somebody listens on them: whether one is free, and finding one that is. uWebSockets.js shares ports
// (SO_REUSEPORT), so a gateway would not notice that another server has its port.

import { createServer, type Server } from "node:net";

/** @throws the system's error: EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND. */
export async function checkPort(port: number, host: string): Promise<void> {
  await close(await bind(port, host));
}

export async function freePort(host: string): Promise<number> {
  const [port] = await freePorts(1, host);
  return port as number;
}

/** Ports that differ: all are held until the last one is found. */
export async function freePorts(count: number, host: string): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => bind(0, host)));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map(close));
  return ports;
}

function bind(port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

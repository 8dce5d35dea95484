// TCP ports before somebody listens on them: whether one is free, and finding one that is. uWebSockets.js shares ports
// (SO_REUSEPORT), so a gateway would not notice that another server has its port. What is found stays free until it is used:
// the system gives ports of this range to nobody who asks for any.

import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Below the ports of outgoing connections. Source: ip(7), ip_local_port_range; RFC 6335, section 6. */
const range = { first: 10_000, last: 32_767 };
const attempts = 100;

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
  const servers = await Promise.all(Array.from({ length: count }, () => bindAny(host)));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map(close));
  return ports;
}

async function bindAny(host: string): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await bind(randomInt(range.first, range.last + 1), host);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === attempts) throw error;
    }
  }
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

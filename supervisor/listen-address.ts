// Where the gateways listen, decided before the first one starts: all of them share one port, so none of them could tell
// that a stranger has it too.

import { setTimeout as pause } from "node:timers/promises";
import type { Config } from "./config.ts";
import { checkPort, freePorts } from "./port.ts";
import { portOwner } from "./port-owner.ts";

/** The start cannot go on; the message says why. */
export class StartRefused extends Error {}

export interface Address {
  readonly port: number;
  /** One for each gateway. */
  readonly adminPorts: readonly number[];
}

/**
 * @param patienceMs How long to wait for a port: gateways of a supervisor that was killed end within seconds.
 * @throws {StartRefused}
 */
export async function chooseAddress(config: Config, patienceMs: number): Promise<Address> {
  const { host, port, adminHost, adminPort, gateways } = config;
  const deadline = Date.now() + patienceMs;
  if (port !== 0) await claim({ variable: "PORT", port, host, deadline });
  const fixed = adminPort === 0 ? [] : Array.from({ length: gateways }, (_, index) => adminPort + index);
  for (const each of fixed) await claim({ variable: "ADMIN_PORT", port: each, host: adminHost, deadline });
  const find = (variable: string, count: number, where: string) =>
    freePorts(count, where).catch((error) => Promise.reject(refusal(variable, 0, where, error)));
  const adminPorts = adminPort === 0 ? await find("ADMIN_PORT", gateways, adminHost) : fixed;
  const [free = 0] = port === 0 ? await find("PORT", 1, host) : [port];
  return { port: free, adminPorts };
}

/** ws://[::1]:8080 */
export function webSocketUrl(host: string, port: number, hasTls: boolean): string {
  return `${hasTls ? "wss" : "ws"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Where a browser on this machine finds it. Any of the gateways shows the whole installation. */
export function dashboardUrl(adminHost: string, { adminPorts: [port = 0] }: Address): string {
  const host = ["0.0.0.0", "::"].includes(adminHost) ? "localhost" : adminHost;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
}

async function claim({
  variable,
  port,
  host,
  deadline,
}: {
  variable: string;
  port: number;
  host: string;
  deadline: number;
}): Promise<void> {
  for (;;) {
    try {
      return await checkPort(port, host);
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!isTaken || Date.now() >= deadline) throw refusal(variable, port, host, error as NodeJS.ErrnoException);
      await pause(50);
    }
  }
}

function refusal(variable: string, port: number, host: string, error: NodeJS.ErrnoException): StartRefused {
  switch (error.code) {
    case "EADDRINUSE": {
      const owner = portOwner(port);
      const name = owner === undefined ? "another process" : `process ${owner.pid} (${owner.commandLine})`;
      return new StartRefused(`port ${port} on ${host} is taken by ${name}. Choose another one: ${variable}=… npm start`);
    }
    case "EACCES":
      return new StartRefused(`this user may not listen on port ${port}. Choose one above 1023: ${variable}=… npm start`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new StartRefused(`${variable.replace("PORT", "HOST")}=${host} is not an address of this machine`);
    case "ERR_SOCKET_BAD_PORT":
      return new StartRefused(`${variable}: ${port} is not a port; gateways use ${variable} and the ports after it`);
    default:
      return new StartRefused(`cannot listen on ${host}:${port}: ${error.message}`);
  }
}

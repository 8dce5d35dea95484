// Where the gateways listen, decided before the first one starts: all of them share one port, so none of them could tell
// that a stranger has it too.

import { setTimeout as pause } from "node:timers/promises";
import type { Config } from "../config.ts";
import { checkPort, freePort, freePorts } from "./port.ts";
import { portOwner } from "./port-owner.ts";

const adminHost = "127.0.0.1";

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
  const { host, port, adminPort, gateways } = config;
  const deadline = Date.now() + patienceMs;
  if (port !== 0) await claim({ variable: "PORT", port, host, deadline });
  const adminPorts =
    adminPort === 0 ? await freePorts(gateways, adminHost) : Array.from({ length: gateways }, (_, index) => adminPort + index);
  if (adminPort !== 0) for (const each of adminPorts) await claim({ variable: "ADMIN_PORT", port: each, host: adminHost, deadline });
  try {
    return { port: port === 0 ? await freePort(host) : port, adminPorts };
  } catch (error) {
    throw refusal("PORT", port, host, error as NodeJS.ErrnoException);
  }
}

/** ws://[::1]:8080 */
export function webSocketUrl(host: string, port: number, hasTls: boolean): string {
  return `${hasTls ? "wss" : "ws"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
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
      return new StartRefused(`HOST=${host} is no address of this machine`);
    case "ERR_SOCKET_BAD_PORT":
      return new StartRefused(`${variable}: ${port} is no port; gateways use ${variable} and those that follow it`);
    default:
      return new StartRefused(`cannot listen on ${host}:${port}: ${error.message}`);
  }
}

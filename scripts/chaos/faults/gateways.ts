// A gateway is killed: the only fault that costs connections.

import { setTimeout as pause } from "node:timers/promises";
import { type Scene, signalProcess } from "../scene.ts";
import type { Fault } from "./fault.ts";

/** For clients to notice; what is closed has told so within it. */
const noticeMs = 30_000;

async function killGateway({ installation, load, journal, condemn }: Scene): Promise<void> {
  const gateways = (await installation.status()).gateways;
  // The journal's own connection has to stay, to hear what becomes of the others.
  const doomed = gateways.find(({ id }) => !journal.id.startsWith(id));
  if (doomed === undefined) throw new Error("there is only one gateway");
  const clients = load.open.filter(({ id }) => id.startsWith(doomed.id));
  for (const client of clients) condemn(client);
  signalProcess(doomed.pid, "SIGKILL");
  await load.signal.until(() => clients.every(({ closed }) => closed !== undefined), "the gateway's clients notice", noticeMs);
  await journal.closes(clients.map(({ id }) => id));
  await installation.until("another gateway", (status) => status.gateways.filter(({ id }) => id !== doomed.id).length === gateways.length);
  await load.refill();
  await pause(200);
}

export const gatewayFaults: readonly Fault[] = [
  {
    name: "gateway",
    title: "kill -9 of one of two gateways",
    shape: { gateways: 2 },
    closes: "its own clients",
    strike: killGateway,
  },
];

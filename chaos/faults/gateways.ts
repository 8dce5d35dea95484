// A gateway is killed, alone or with all workers: the only faults that cost connections.

import { setTimeout as pause } from "node:timers/promises";
import { type Scene, signalProcess } from "../scene.ts";
import type { Fault } from "./fault.ts";

/** For clients to notice; what is closed has told so within it. */
const noticeMs = 30_000;

interface Doomed {
  readonly id: string;
  readonly pid: number;
}

/** @param kill Resolves when everybody who will ever be told of the end of its connections has been. */
async function strike(
  { installation, load, journal, condemn }: Scene,
  kill: (gateway: Doomed, ids: string[]) => Promise<void>,
): Promise<void> {
  const gateways = (await installation.status()).gateways;
  // The journal's own connection has to stay, to hear what becomes of the others.
  const doomed = gateways.find(({ id }) => !journal.id.startsWith(id));
  if (doomed === undefined) throw new Error("there is only one gateway");
  const clients = load.open.filter(({ id }) => id.startsWith(doomed.id));
  for (const client of clients) condemn(client);
  const ids = clients.map(({ id }) => id);
  const haveNoticed = () => clients.every(({ closed }) => closed !== undefined);
  await Promise.all([kill(doomed, ids), load.signal.until(haveNoticed, "the gateway's clients notice", noticeMs)]);
  await installation.until("another gateway", (status) => status.gateways.filter(({ id }) => id !== doomed.id).length === gateways.length);
  await load.refill();
  await pause(200);
}

function killGateway(scene: Scene): Promise<void> {
  return strike(scene, async ({ pid }, ids) => {
    signalProcess(pid, "SIGKILL");
    await scene.journal.closes(ids);
  });
}

/** None of them notices that another one ends. */
async function killWithWorkers(scene: Scene): Promise<void> {
  const workers = (await scene.installation.workers()).map(({ pid }) => pid);
  await strike(scene, async (gateway) => {
    for (const signal of ["SIGSTOP", "SIGKILL"] as const) for (const pid of [gateway.pid, ...workers]) signalProcess(pid, signal);
    await scene.journal.loses(gateway.id);
  });
}

export const gatewayFaults: readonly Fault[] = [
  {
    name: "gateway",
    title: "kill -9 of one of two gateways",
    shape: { gateways: 2 },
    closes: "its own clients",
    strike: killGateway,
  },
  {
    name: "gateway-workers",
    title: "kill -9 of one of two gateways and of all workers at once",
    shape: { gateways: 2 },
    closes: "its own clients",
    strike: killWithWorkers,
  },
];

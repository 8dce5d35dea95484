// nats-server dies, hangs, stays away.

import { setTimeout as pause } from "node:timers/promises";
import type { OwnNats } from "../../testbed/own-nats.ts";
import { type Scene, signalProcess } from "../scene.ts";
import type { Fault } from "./fault.ts";

/** What may pass from the return of nats-server until everything flows. */
const resumeMs = 1_500;
const stopMs = 3_000;
const kills = 10;

async function killSupervised({ installation, away }: Scene): Promise<void> {
  const { pid } = (await installation.status()).nats;
  if (pid === null) throw new Error("there is no nats-server");
  const startedAt = performance.now();
  signalProcess(pid, "SIGKILL");
  await installation.until("another nats-server", ({ nats }) => nats.pid !== null && nats.pid !== pid);
  away(performance.now() - startedAt);
}

/** Ours to kill; in an installation with a supervised one, that is killed instead. */
function own({ installation: { nats } }: Scene): OwnNats {
  if (nats === undefined) throw new Error("this fault needs a nats-server of its own");
  return nats;
}

async function keepAway(scene: Scene, awayMs: number): Promise<void> {
  const nats = own(scene);
  const startedAt = performance.now();
  await nats.kill();
  await pause(awayMs);
  await nats.restart();
  scene.away(performance.now() - startedAt);
}

export const natsFaults: readonly Fault[] = [
  { name: "nats", title: "kill -9 of nats-server, which the supervisor starts again", goalMs: resumeMs, strike: killSupervised },
];

export const ownNatsFaults: readonly Fault[] = [
  {
    name: "nats-stop",
    title: `nats-server stopped for ${stopMs} ms`,
    shape: { nats: "own" },
    goalMs: resumeMs,
    strike: async (scene) => {
      const { pid } = own(scene);
      signalProcess(pid, "SIGSTOP");
      await pause(stopMs);
      signalProcess(pid, "SIGCONT");
      scene.away(stopMs);
    },
  },
  {
    name: "nats-away",
    title: `nats-server killed and away for ${stopMs} ms`,
    shape: { nats: "own" },
    goalMs: resumeMs,
    strike: (scene) => keepAway(scene, stopMs),
  },
  {
    name: "nats-ten",
    title: `nats-server killed ${kills} times in a row`,
    shape: { nats: "own" },
    strike: async (scene) => {
      const startedAt = performance.now();
      for (let kill = 0; kill < kills; kill++) {
        await keepAway(scene, 0);
        await pause(scene.random() * 400);
      }
      // Nothing need flow in between.
      scene.away(performance.now() - startedAt);
    },
  },
];

// Workers that are killed, that hang, that are replaced.

import { setTimeout as pause } from "node:timers/promises";
import { isAlive } from "../../testbed/installation.ts";
import { pick, type Scene, signalProcess } from "../scene.ts";
import { workerTimeoutMs } from "../setting.ts";
import type { Fault } from "./fault.ts";

/** Within a worker's drain, which takes as long as the turns that it has begun. */
const drainingMs = 6;

async function victim({ installation, random }: Scene): Promise<number> {
  const alive = (await installation.workers()).filter(({ pid }) => isAlive(pid));
  return pick(alive, random).pid;
}

async function killOne(scene: Scene): Promise<void> {
  const pid = await victim(scene);
  signalProcess(pid, "SIGKILL");
  await scene.installation.isGone(pid);
}

/** @param moment Picks the step, and whom to kill. */
async function killWhileDeploying(scene: Scene): Promise<void> {
  const { installation, time, random } = scene;
  const before = await installation.workers();
  const isEarly = time % 2 === 0;
  const marks = isEarly ? /^starting/ : /^handing/;
  let killing: Promise<void> | undefined;
  await installation.deployInSteps((step) => {
    if (!marks.test(step)) return;
    const old = pick(before, random).pid;
    // Late: one that takes over every other time, else one that hands over.
    killing = isEarly || time % 4 === 1 ? Promise.resolve(signalProcess(old, "SIGKILL")) : killOne(scene);
  });
  await killing;
}

export const workerFaults: readonly Fault[] = [
  { name: "worker", title: "kill -9 of one of two workers", goalMs: 400, strike: killOne },
  {
    name: "redelivery",
    title: "kill -9 of a worker, then of the one that redelivers",
    strike: async (scene) => {
      const pids = (await scene.installation.workers()).map(({ pid }) => pid);
      const first = pick(pids, scene.random);
      signalProcess(first, "SIGKILL");
      await scene.load.redelivers();
      for (const pid of pids) signalProcess(pid, "SIGKILL");
      for (const pid of pids) await scene.installation.isGone(pid);
    },
  },
  {
    name: "drain",
    title: "kill -9 of a worker that drains",
    goalMs: 400,
    strike: async (scene) => {
      const pid = await victim(scene);
      signalProcess(pid, "SIGTERM");
      await pause(scene.random() * drainingMs);
      signalProcess(pid, "SIGKILL");
      await scene.installation.isGone(pid);
    },
  },
  {
    name: "deploy",
    title: "npm run deploy-worker",
    goalMs: 400,
    strike: async ({ installation }) => void (await installation.run("deploy-worker")),
  },
  { name: "deploy-kill", title: "kill -9 of a worker in the middle of a deploy", strike: killWhileDeploying },
  {
    name: "stop",
    title: `a worker stopped for longer than WORKER_TIMEOUT_MS (${workerTimeoutMs})`,
    goalMs: workerTimeoutMs + 1_500,
    strike: async (scene) => {
      const pid = await victim(scene);
      signalProcess(pid, "SIGSTOP");
      await pause(workerTimeoutMs + 1_500);
      signalProcess(pid, "SIGCONT");
    },
  },
  {
    name: "hang",
    title: "a worker stopped for good: its supervisor kills it",
    goalMs: workerTimeoutMs + 1_500,
    strike: async (scene) => {
      const pid = await victim(scene);
      signalProcess(pid, "SIGSTOP");
      await scene.installation.isReplaced(pid);
    },
  },
];

export const onlyWorkerFaults: readonly Fault[] = [
  { name: "only", title: "kill -9 of the only worker", shape: { workers: 1 }, strike: killOne },
  {
    name: "only-again",
    title: "kill -9 of the only worker, and of the next while it redelivers",
    shape: { workers: 1 },
    strike: async (scene) => {
      signalProcess(await victim(scene), "SIGKILL");
      await scene.load.redelivers();
      await killOne(scene);
    },
  },
];

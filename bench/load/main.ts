// A load in a process of its own. Its job is its argument, orders and events go over Node's channel to whoever has started it.

import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { Failure } from "../../testbed/node-process.ts";
import type { Client } from "./client.ts";
import { Crowd, topicOf } from "./crowd.ts";
import { Echo } from "./echo.ts";
import type { Faults } from "./faults.ts";
import type { Event, Job, Order } from "./job.ts";
import { Meter } from "./meter.ts";
import { OutgoingFrames } from "./outgoing-frames.ts";
import { Paced } from "./paced.ts";
import { Publish } from "./publish.ts";
import { idleness, type Workload } from "./workload.ts";

/** What one read takes at most. */
const bufferBytes = 256 * 1024;
const lookMs = 10;

// Whoever has started it has ended.
process.once("disconnect", () => process.exit());
await run(JSON.parse(process.argv[2] ?? "") as Job).catch((error: Error) => tell({ failed: error.message }));
process.disconnect();

async function run(job: Job): Promise<void> {
  const { work, payloadBytes } = job;
  const meter = new Meter();
  const frames = new OutgoingFrames({ payloadBytes, most: "window" in work ? work.window : 1 });
  const { crowd, opening } = await Crowd.open(job, { frames, meter, buffer: new Uint8Array(bufferBytes) });
  const { clients } = crowd;
  tell({ event: "open", ...opening });
  await order("begin");

  const workload = workloadFor(job, clients, meter);
  const stopped = order("stop");
  workload.begin();
  await pause(job.warmUpSeconds * 1000);
  meter.forgetLatencies();
  const [messages, startedAt, cpu] = [meter.messages, performance.now(), process.cpuUsage()];
  tell({ event: "measuring" });
  await (job.seconds === null ? stopped : pause(job.seconds * 1000));
  const counted = meter.messages - messages;
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  tell({ event: "measured" });

  workload.stop();
  for (const deadline = Date.now() + job.patienceSeconds * 1000; workload.lost() > 0 && Date.now() < deadline; ) await pause(lookMs);
  const outcome = { messages: counted, seconds, cpuSeconds: (user + system) / 1e6, latency: meter.latency };
  tell({ event: "finished", outcome: { ...outcome, faults: faultsOf(workload, clients, meter) } });
  crowd.leave();
}

function workloadFor({ work, connections }: Job, clients: readonly Client[], meter: Meter): Workload {
  switch (work.kind) {
    case "echo":
      return new Echo(clients, work.window);
    case "paced":
      return new Paced(clients, work.rate, meter);
    case "publish": {
      const topics = Array.from({ length: work.topics }, (): Client[] => []);
      for (const [index, client] of clients.entries()) topics[topicOf({ work, connections }, index)]?.push(client);
      return new Publish(topics, work.window);
    }
    case "idle":
      return idleness;
  }
}

function faultsOf(workload: Workload, clients: readonly Client[], { malformed, disconnected }: Meter): Faults {
  const sum = (fault: "doubled" | "reordered") => clients.reduce((total, { heard }) => total + heard[fault], 0);
  return { lost: workload.lost(), doubled: sum("doubled"), reordered: sum("reordered"), malformed, disconnected };
}

function tell(said: Event | Failure): void {
  process.send?.(said);
}

async function order(awaited: Order): Promise<void> {
  for (;;) {
    const [given] = await once(process, "message");
    if (given === awaited) return;
  }
}

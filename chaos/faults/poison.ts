// Messages that kill whoever handles them.

import { patienceMs } from "../../testbed/patience.ts";
import type { Scene } from "../scene.ts";
import type { Fault } from "./fault.ts";

async function poison(scene: Scene, text: string): Promise<void> {
  const { load, condemn, journal } = scene;
  const sender = await load.join("0");
  condemn(sender);
  sender.send();
  sender.say(text);
  await load.signal.until(() => sender.closed !== undefined, "the sender is closed", patienceMs);
  if (sender.closed?.code !== 1011) throw new Error(`the sender was closed with ${sender.closed?.code}, not 1011`);
  await journal.closes([sender.id]);
}

export const poisonFaults: readonly Fault[] = [
  {
    name: "poison",
    title: "a message that ends its worker (process.exit)",
    closes: "its sender, with 1011",
    strike: (scene) => poison(scene, "exit"),
  },
  {
    name: "spin",
    title: "a message that its handler never leaves (an endless loop)",
    closes: "its sender, with 1011",
    strike: (scene) => poison(scene, "spin"),
  },
  {
    name: "memory",
    title: "a message that exhausts its worker's memory",
    shape: { heapMb: 128 },
    closes: "its sender, with 1011",
    strike: (scene) => poison(scene, "exhaust"),
  },
];

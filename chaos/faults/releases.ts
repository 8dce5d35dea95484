// Releases that come and are taken back: what each has made of states, and who ticks.

import { Listener } from "../listener.ts";
import { pick, type Scene, signalProcess } from "../scene.ts";
import type { Fault } from "./fault.ts";

const talkers = 60;
/** A longer pause between ticks is a fault, on a machine that has time. */
const longestGapMs = 2_000;

/** @returns the count that each has now. */
async function speak(all: readonly Listener[], release: string): Promise<number[]> {
  const last = all.map(({ heard }) => heard.length);
  for (const each of all) each.send("next");
  await Promise.all(all.map((each, index) => each.until(() => each.heard.length > (last[index] as number), "an answer")));
  return all.map(({ heard }) => {
    const [by, count] = (heard.at(-1)?.text ?? "").split(" ");
    if (by !== release) throw new Error(`release ${by} has answered, not ${release}`);
    return Number(count);
  });
}

function expectAll(counts: readonly number[], expected: number, when: string): void {
  const wrong = counts.filter((count) => count !== expected).length;
  if (wrong > 0) throw new Error(`${wrong} of ${counts.length} states are not what they were ${when}`);
}

async function activeRelease({ installation }: Scene): Promise<string> {
  return (await installation.status()).release?.id ?? "";
}

/** Each state is migrated by the deploy; the rollback gives back what it was before. */
async function migrateAndTakeBack(scene: Scene): Promise<void> {
  const { installation } = scene;
  const all = await Promise.all(Array.from({ length: talkers }, () => Listener.open(`${installation.url}/migrating`)));
  const first = await activeRelease(scene);
  expectAll(await speak(all, first), 1, "at first");
  await installation.run("deploy-worker");
  const next = await activeRelease(scene);
  expectAll(await speak(all.slice(talkers / 2), next), 2, "before the deploy");
  await installation.run("rollback-worker");
  expectAll(await speak(all, first), 2, "before the deploy that was taken back");
  await Promise.all(all.map((each) => each.close()));
}

/** A deploy, the kill of a worker, a rollback. */
async function tickThrough(scene: Scene): Promise<void> {
  const { installation } = scene;
  const listener = await Listener.open(`${installation.url}/ticks`);
  await listener.until(() => listener.heard.length > 0, "a tick");
  await installation.run("deploy-worker");
  const { pid } = pick(await installation.workers(), scene.random);
  signalProcess(pid, "SIGKILL");
  await installation.isGone(pid);
  await installation.run("rollback-worker");
  const generation = (await installation.status()).release?.generation;
  await listener.until(() => listener.heard.at(-1)?.text.startsWith(`${generation} `) === true, "a tick of the release that is back");
  await listener.close();
  checkTicks(listener.heard);
}

/** @throws where one of an earlier activation came behind one of a later, or none came for too long. */
function checkTicks(ticks: Listener["heard"]): void {
  const generations = ticks.map(({ text }) => Number.parseInt(text, 10));
  const late = generations.filter((generation, index) => generations.slice(0, index).some((before) => before > generation));
  if (late.length > 0) throw new Error(`${late.length} ticks of a release that was active no more`);
  const gaps = ticks.slice(1).map(({ at }, index) => at - (ticks[index]?.at ?? at));
  const longest = Math.max(...gaps);
  if (longest > longestGapMs) throw new Error(`no tick for ${Math.round(longest)} ms`);
}

export const releaseFaults: readonly Fault[] = [
  { name: "rollback", title: "a deploy that migrates every state, taken back", strike: migrateAndTakeBack },
  { name: "ticker", title: "a ticker through a deploy, kill -9 of a worker, a rollback", strike: tickThrough },
];

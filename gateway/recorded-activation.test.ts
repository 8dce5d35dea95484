import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeActivation } from "../process/activation-file.ts";
import type { Activation } from "../protocol/membership.ts";
import type { FollowedFile } from "./followed-file.ts";
import { recordedActivation } from "./recorded-activation.ts";

let folder: string;
let file: string;
let events: EventEmitter;
let faults: string[];
let recorded: FollowedFile;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-recorded-"));
  file = join(folder, "activation.json");
  events = new EventEmitter();
  faults = [];
  recorded = make(file);
});

afterEach(() => {
  recorded.end();
  rmSync(folder, { recursive: true });
});

function make(of: string): FollowedFile {
  return recordedActivation({
    file: of,
    log: { error: ({ err }: { err: Error }) => void faults.push(err.message) },
    onRead: (activation) => events.emit("read", activation),
  });
}

async function reads(expected: Activation): Promise<void> {
  for (;;) if (((await once(events, "read")) as [Activation])[0].generation === expected.generation) return;
}

test("the record is read at the start, and followed from then on", async () => {
  const [first, second] = [1, 2].map((generation) => ({ release: String(generation), generation }) as const) as [Activation, Activation];
  writeActivation(file, first);
  const read = once(events, "read");
  await recorded.begin();
  expect(await read).toEqual([first]);
  writeActivation(file, second);
  await reads(second);
  expect(faults).toEqual([]);
});

test("a record that is not there yet, and one that nobody can understand, keep nobody from serving", async () => {
  await recorded.begin();
  writeFileSync(file, "{");
  await expect.poll(() => faults, { timeout: 60_000 }).toHaveLength(1);
  const activation = { release: "1", generation: 1 };
  writeActivation(file, activation);
  await reads(activation);
  expect(faults).toEqual([expect.stringContaining(`${file} does not say which release is active`)]);
});

test("without a file nothing is read", async () => {
  const none = make("");
  await none.begin();
  expect(faults).toEqual([]);
});

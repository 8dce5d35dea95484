import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { RollbackHistory } from "./rollback-history.ts";

function history(): { file: string; rollbacks: RollbackHistory; logged: string[] } {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-history-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "rollbacks.json");
  const logged: string[] = [];
  return { file, rollbacks: new RollbackHistory(file, { event: (_level, text) => logged.push(text) }), logged };
}

const ids = ({ rollbacks }: { rollbacks: RollbackHistory }) => rollbacks.list().map(({ id }) => id);

test("the last five are remembered, the newest first, each once", async () => {
  const past = history();
  expect(ids(past)).toEqual([]);
  for (const id of ["1", "2", "3", "4", "5", "6", "3"]) await past.rollbacks.add(id, "asked for by ada (process 12)");
  expect(ids(past)).toEqual(["3", "6", "5", "4", "2"]);
  // Another process reads the same.
  expect(JSON.parse(readFileSync(past.file, "utf8"))[0]).toEqual({ id: "3", at: expect.any(Number), why: "asked for by ada (process 12)" });
});

test("a release that serves again is forgotten", async () => {
  const past = history();
  await past.rollbacks.add("1", "its onStart failed");
  await past.rollbacks.add("2", "its onStart failed");
  await past.rollbacks.forget("1");
  expect(ids(past)).toEqual(["2"]);
});

test("a file that cannot be understood counts as empty, and one that cannot be written is a warning", async () => {
  const past = history();
  writeFileSync(past.file, "{");
  expect(ids(past)).toEqual([]);
  const nowhere = new RollbackHistory(join(past.file, "rollbacks.json"), { event: (_level, text) => past.logged.push(text) });
  await nowhere.add("1", "its onStart failed");
  expect(past.logged).toEqual([expect.stringMatching(/^npm run status will not show which release was rolled back: ENOTDIR/)]);
});

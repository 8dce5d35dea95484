import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { askSupervisor, ControlServer, controlPath } from "./control.ts";
import type { StepEvent } from "./steps.ts";

type Said = [string, StepEvent | undefined];

function cacheFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-control-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** @returns what a command hears that asks for the status. */
async function heard(folder: string): Promise<Said[]> {
  const said: Said[] = [];
  expect(await askSupervisor(folder, { request: "status" }, (text, event) => said.push([text, event]))).toEqual({ ok: true, result: 7 });
  return said;
}

test("a command hears each step, and how it goes on", async () => {
  const folder = cacheFolder();
  const steps: Said[] = [
    ["watching", "begun"],
    ["watching (1)", "update"],
    ["Ctrl-C again ends the watch", "note"],
    ["watching: failed", "failed"],
  ];
  const control = await ControlServer.listen(controlPath(folder), (_request, onStep) => {
    for (const [text, event] of steps) onStep(text, event);
    return Promise.resolve({ ok: true, result: 7 });
  });
  onTestFinished(() => control.close());
  expect(await heard(folder)).toEqual(steps);
});

test("a supervisor of version 0.2 is understood: an update of thinstate is deployed to it", async () => {
  const folder = cacheFolder();
  const lines = [{ step: "watching" }, { step: "watching (1)", isUpdate: true }, { ok: true, result: 7 }];
  const server = createServer((socket) => socket.end(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
  await new Promise<void>((resolve) => server.listen(controlPath(folder), resolve));
  onTestFinished(() => void server.close());
  expect(await heard(folder)).toEqual([
    ["watching", "begun"],
    ["watching (1)", "update"],
  ]);
});

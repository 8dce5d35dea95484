import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { askSupervisor, ControlServer, NotRunning } from "./control.ts";
import { findControlSocket, placeControlSocket } from "./control-socket.ts";
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
  const control = await ControlServer.listen(folder, (_request, onStep) => {
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
  await new Promise<void>((resolve) => server.listen(placeControlSocket(folder), resolve));
  onTestFinished(() => void server.close());
  expect(await heard(folder)).toEqual([
    ["watching", "begun"],
    ["watching (1)", "update"],
  ]);
});

describe("where the path of a cache folder is too long for a socket", () => {
  function longFolder(): string {
    const folder = join(cacheFolder(), "long".repeat(30));
    mkdirSync(folder);
    return folder;
  }

  /** Answers 7. */
  function serve(folder: string): Promise<ControlServer> {
    return ControlServer.listen(folder, () => Promise.resolve({ ok: true, result: 7 }));
  }

  test("it is in a folder that nobody else may enter, whose name nobody can guess, and which goes with it", async () => {
    const folder = longFolder();
    const places: string[] = [];
    for (let life = 0; life < 2; life++) {
      const control = await serve(folder);
      await heard(folder);
      const place = dirname(findControlSocket(folder) ?? "");
      expect(statSync(place).mode & 0o777).toBe(0o700);
      places.push(place);
      control.close();
    }
    expect(new Set(places).size).toBe(2);
    expect(places.filter((place) => existsSync(place))).toEqual([]);
  });

  test("what a killed supervisor has left is replaced", async () => {
    const folder = longFolder();
    const left = placeControlSocket(folder);
    const control = await serve(folder);
    onTestFinished(() => control.close());
    expect(existsSync(dirname(left))).toBe(false);
    await heard(folder);
  });

  test("a folder of that name that is open to others is not asked", async () => {
    const folder = longFolder();
    const control = await serve(folder);
    const place = dirname(findControlSocket(folder) ?? "");
    onTestFinished(() => rmSync(place, { recursive: true }));
    onTestFinished(() => control.close());
    chmodSync(place, 0o755);
    await expect(askSupervisor(folder, { request: "status" }, () => undefined)).rejects.toBeInstanceOf(NotRunning);
  });
});

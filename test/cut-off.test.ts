// A deploy that is cut off, at any step and by whatever, ends wholly in one release, leaves nothing behind, and can be repeated.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { type Command, Installation, isAlive, releaseIn, until } from "./installation.ts";

const file = "worker/handlers/version.ts";

/** Steps by what their lines begin with, and which release serves when one is cut off. */
const steps: ReadonlyArray<readonly [begin: RegExp, serves: "before" | "new" | "either"]> = [
  [/^copying sources/, "before"],
  [/^checking types/, "before"],
  [/^starting 2 workers/, "before"],
  // The record is written right after this line.
  [/^activating release/, "either"],
  [/^handing connections/, "new"],
  [/^watching release/, "new"],
];

/** For a command, which only asks the server, one is as good as another. */
const signals = ["SIGKILL", "SIGINT", "SIGTERM"] as const;

let installation: Installation;
let version = 0;

afterEach(() => installation.end());

function handler(): string {
  version++;
  return `import { defineHandler } from "../handler.ts";\nexport default defineHandler({ path: "/version", onMessage: (conn) => conn.send("${version}") });\n`;
}

async function start(): Promise<{ command: Command; client: TestClient }> {
  const command = installation.start();
  const url = (await command.line(/^ready ws:/)).replace("ready ", "");
  return { command, client: await TestClient.open(`${url}/version`) };
}

/** Cuts a deploy off at a step. @returns the release that serves by then, and what answers. */
async function cut(begin: RegExp, strike: (command: Command) => void): Promise<{ named: string; deployed: string; ended: Command }> {
  installation.write(file, handler());
  const deployed = String(version);
  const command = installation.command(["deploy-worker"]);
  await command.line(begin);
  strike(command);
  await command.exited;
  // Whoever has ended the command itself, and not by kill -9, learns what serves.
  if (command.process.exitCode === 130) expect(command.lines.at(-1)).toMatch(/^release \S+ (serves|is active, and the server goes on)/);
  return { named: releaseIn(command.lines.find((line) => line.startsWith("activating")) ?? ""), deployed, ended: command };
}

/** One whole release serves, its own code answers, and nothing is left of a half-made one. @returns its name. */
async function expectWhole(client: TestClient, expected: string): Promise<string> {
  const { release } = await installation.statusWhere("two workers of one release, and no other but warm ones", (status) => {
    const active = status.workers.filter(({ state }) => state === "active");
    const isSettled = status.deploying === null && status.workers.every(({ state }) => state === "active" || state === "warm");
    return isSettled && active.length === 2 && active.every((worker) => worker.release === status.release?.id);
  });
  expect(installation.current()).toBe(release?.id);
  await until("an end of leftovers", () => (installation.releases().some((name) => name.startsWith(".")) ? undefined : true));
  expect(installation.releases()).toContain(release?.id);
  const from = client.received.length;
  client.send("");
  await client.receives(from + 1);
  expect(client.received[from]).toBe(expected);
  return release?.id ?? "";
}

test("by Ctrl-C, SIGTERM or kill -9 of the command", async () => {
  installation = await Installation.cloned();
  installation.write(file, handler());
  const { client } = await start();
  let serving = await expectWhole(client, String(version));
  let answers = String(version);
  const served = [serving];
  for (const [index, [begin, serves]] of steps.entries()) {
    // All in turn, and two of them where everything is decided.
    for (const signal of serves === "either" ? signals.slice(0, 2) : signals.slice(index % 3, (index % 3) + 1)) {
      const { named, deployed } = await cut(begin, (command) => command.process.kill(signal));
      // The server goes on with what it has begun to activate.
      const isNew = serves !== "before";
      if (isNew) answers = deployed;
      const now = await expectWhole(client, answers);
      expect(now, `${signal} at ${begin}`).toBe(isNew ? named : serving);
      if (isNew) served.push(now);
      expect(installation.releases()).toEqual(served.slice(-5));
      serving = now;
    }
  }
  expect(client.isOpen).toBe(true);
});

test("by kill -9 or SIGTERM of the server", async () => {
  installation = await Installation.cloned({ WATCH_MS: "20000" });
  installation.write(file, handler());
  let running = await start();
  let answers = String(version);
  let serving = await expectWhole(running.client, answers);
  for (const [index, [begin, serves]] of steps.entries()) {
    for (const signal of index === 1 ? (["SIGKILL", "SIGTERM"] as const) : (["SIGKILL"] as const)) {
      const children = running.command.children();
      const { named, deployed, ended } = await cut(begin, () => running.command.process.kill(signal));
      expect(ended.process.exitCode, ended.output).toBe(1);
      await running.command.exited;
      await until("an end of all children", () => (children.some(isAlive) ? undefined : true));
      running = await start();
      const { release } = await installation.status();
      const isNew = serves === "either" ? release?.id === named : serves === "new";
      if (isNew) answers = deployed;
      const now = await expectWhole(running.client, answers);
      expect(now, `${signal} at ${begin}`).toBe(isNew ? named : serving);
      serving = now;
    }
  }
  installation.write(file, handler());
  const last = installation.command(["deploy-worker"]);
  await last.line(/^watching release/);
  await running.client.close();
});

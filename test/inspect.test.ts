// npm run dev -- --inspect: a debugger stops the worker where people have set a breakpoint, nobody is given up for it, and a save
// goes on with the new worker.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestClient } from "./client.ts";
import { Debugger } from "./debugger.ts";
import { type Command, Installation } from "./installation.ts";

const file = "worker/handlers/stopped.ts";
/** Of `handler`. */
const answerLine = 13;
const throwLine = 19;

function handler(version: string): string {
  return `import { defineHandler } from "../handler.ts";

/** Types and comments take lines that what runs does not have. */
interface Answer {
  readonly version: string;
  readonly asked: string;
}

export default defineHandler({
  path: "/stopped",
  onMessage(conn, message) {
    const answer: Answer = { version: "${version}", asked: message.text() };
    conn.send(JSON.stringify(answer));
    if (answer.asked === "throw") fail();
  },
});

function fail(): never {
  throw new Error("as it was asked to");
}
`;
}

/** None of them would let a turn stand for as long as the tests do. */
const impatient = { WORKER_TIMEOUT_MS: "2000", TURN_TIMEOUT_MS: "1000", PARK_MS: "1000" };
/** A worker is killed when it was silent for twice WORKER_TIMEOUT_MS. */
const standingMs = 6_000;

let installation: Installation;
let dev: Command;
let port: number;
let address: string;
let url: string;
let client: TestClient;

beforeAll(async () => {
  installation = await Installation.cloned(impatient);
  installation.write(file, handler("one"));
  port = await freePort("127.0.0.1");
  address = `127.0.0.1:${port}`;
  dev = installation.start({}, ["dev", `--inspect=${port}`]);
  url = (await dev.line(/^ready ws:/)).replace("ready ", "");
  await dev.line(new RegExp(`^attach a debugger to ${address}, `));
  await dev.line(/^watching worker\/handlers/);
});

beforeEach(async () => {
  client = await TestClient.open(`${url}/stopped`);
});

afterEach(() => client.breakOff());

afterAll(() => installation?.end());

/** @returns a debugger that has stopped the worker in the turn of a message. */
async function stoppedAt(text: string, line = answerLine): Promise<Debugger> {
  const debug = await Debugger.attach(address);
  await debug.breakAt(join(installation.clone, file), line);
  client.send(text);
  const { places } = await debug.paused();
  expect(places[0]).toBe(`${join(installation.clone, file)}:${line}`);
  return debug;
}

test("what a handler throws has the lines that were written, in the files that people edit", async () => {
  client.send("throw");
  const record = JSON.parse(await dev.line(/onMessage was rolled back/)) as { err: { stack: string } };
  const [, first, second] = record.err.stack.split("\n");
  expect(first).toContain(`${join(installation.clone, file)}:${throwLine}:`);
  expect(second).toContain(`${join(installation.clone, file)}:${answerLine + 1}:`);
});

test("a turn may stand at a breakpoint for longer than all time-outs, and goes on as if nothing had been", async () => {
  const from = dev.lines.length;
  const debug = await stoppedAt("first");
  expect(await debug.evaluate("answer")).toEqual({ version: "one", asked: "first" });
  // Not even who connects meanwhile is given up.
  const late = new TestClient(`${url}/stopped`);
  await pause(standingMs);
  expect(client.received).toEqual([]);
  await debug.resume();
  await client.receives(1);
  await late.opened();
  expect([client.isOpen, late.isOpen, client.values]).toEqual([true, true, [{ version: "one", asked: "first" }]]);
  expect(dev.lines.slice(from).join("\n")).not.toMatch(/worker left|hangs|rolled back|redelivered/);
  // NATS throws nobody out either, which would take longer to see.
  expect(readFileSync(join(installation.cacheFolder, "nats", "nats-server.conf"), "utf8")).toContain('ping_interval: "86400s"');
  debug.close();
  await late.close();
});

test("a save lets a turn that stands run on, hands its connection over, and the debugger finds the new worker with its lines", async () => {
  const before = await stoppedAt("first");
  const from = dev.lines.length;
  installation.write(file, `// A line more.\n${handler("two")}`);
  await before.closed();
  await client.receives(1);
  await dev.line(/^live after \d+ ms, 1 connections handed over/, from);
  const after = await stoppedAt("second", answerLine + 1);
  await after.resume();
  await client.receives(2);
  expect(client.values).toEqual([
    { version: "one", asked: "first" },
    { version: "two", asked: "second" },
  ]);
  after.close();
});

test("a port that is taken, or none, is refused", async () => {
  const beside = await Installation.here();
  const taken = await beside.run("dev", `--inspect=${port}`);
  const none = await beside.run("dev", "--inspect=chrome");
  await beside.end();
  expect(taken).toMatchObject({ exitCode: 1 });
  expect(taken.output).toMatch(new RegExp(`^--inspect=${port}: .*EADDRINUSE.* --inspect=PORT names another port`, "m"));
  expect(none).toMatchObject({ exitCode: 2 });
  expect(none.output).toMatch(/^--inspect=chrome: a port from 1 to 65535$/m);
});

test("Ctrl-C ends it, though the worker stands", async () => {
  const debug = await stoppedAt("first");
  dev.process.kill("SIGINT");
  await debug.closed();
  expect(await dev.exited).toBe(0);
  expect(dev.output).not.toContain("is killed");
});

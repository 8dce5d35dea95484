// Deploying, as a person does it: handlers are edited in a clone, and the real commands are run, beside clients that are
// connected from the first to the last test of this file. One installation serves all of them, in this order.

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readActivation } from "../process/activation-file.ts";
import type { DeployReport } from "../supervisor/deploy-report.ts";
import type { Status } from "../supervisor/status.ts";
import { stretchedMs } from "../testbed/patience.ts";
import { hasAutogroups, sessionNice } from "./autogroup.ts";
import { TestClient } from "./client.ts";
import { type Command, Installation, isAlive, until } from "./installation.ts";

const connections = 20;
/** How often each client speaks while it talks. */
const talkMs = 30;
const versionFile = "worker/handlers/version.ts";

let installation: Installation;
let start: Command;
let url: string;
let talkers: Talker[];
/** What the first versions are deployed as. */
let one: string;
let two: string;
let three: string;

/** A handler that answers with its version, and writes down every close. */
function versionHandler(version: string, path = "/version"): string {
  return `import { appendFileSync } from "node:fs";
import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "${path}",
  onMessage(conn, message) {
    conn.send(\`${version} \${message.text()}\`);
  },
  onClose(conn, { code }) {
    appendFileSync("${join(installation.clone, "closes.txt")}", \`\${conn.path} \${conn.query.get("name")} \${code}\\n\`);
  },
});
`;
}

/** A client that numbers what it says, and wants it answered once and in order. */
class Talker {
  readonly client: TestClient;
  private sent = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(client: TestClient) {
    this.client = client;
  }

  say(): void {
    this.client.send(String(this.sent++));
  }

  talk(): void {
    this.timer = setInterval(() => this.say(), talkMs);
  }

  /** @returns The versions that answered what was said since the last time, in order, each once. */
  async heard(): Promise<string[]> {
    clearInterval(this.timer);
    await this.client.receives(this.sent);
    const answers = this.client.received.splice(0).map((answer) => String(answer).split(" "));
    expect(answers.map(([, number]) => Number(number))).toEqual(Array.from({ length: this.sent }, (_, index) => index));
    expect(this.client.isOpen).toBe(true);
    this.sent = 0;
    const versions = answers.map(([version]) => String(version));
    return versions.filter((version, index) => version !== versions[index - 1]);
  }
}

/** What serves every client now. */
async function answering(): Promise<string[]> {
  for (const talker of talkers) talker.say();
  const versions = await Promise.all(talkers.map((talker) => talker.heard()));
  return [...new Set(versions.flat())];
}

function closes(): string[] {
  const file = join(installation.clone, "closes.txt");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

/** Processes of the server that leave the cores to others: of each, how much. */
function heldBack(): number[] {
  return start.children().flatMap((pid) => sessionNice(pid) || []);
}

async function deployed(...args: string[]): Promise<DeployReport> {
  const { exitCode, stdout, output } = await installation.run("deploy-worker", "--json", ...args);
  expect(exitCode, output).toBe(0);
  return JSON.parse(stdout) as DeployReport;
}

/** What the version that serves now is deployed as. */
async function serving(): Promise<string> {
  const { release } = await installation.status();
  expect(installation.current()).toBe(release?.id);
  return release?.id ?? "";
}

/** One whole release serves, and nothing is left of any other that was begun. */
async function expectWhole(release: string): Promise<void> {
  await until("an end of leftovers", () => (installation.releases().every((name) => !name.startsWith(".")) ? true : undefined));
  const { workers } = await installation.statusWhere(
    "an end of standbys",
    ({ deploying, workers }) => deploying === null && workers.every(({ state }) => state === "active" || state === "warm"),
  );
  const active = workers.filter(({ state }) => state === "active");
  expect(active.map((worker) => worker.release)).toEqual([release, release]);
}

/** Some tests wait for its end, others must not meet it: 8 s, or more where a start takes long. */
async function readyTimeoutMs(): Promise<number> {
  const startedAt = performance.now();
  start = installation.start();
  await start.line(/^ready ws:/);
  const tookMs = performance.now() - startedAt;
  start.process.kill("SIGTERM");
  await start.exited;
  return Math.max(8_000, Math.ceil((5 * tookMs) / 1_000) * 1_000);
}

beforeAll(async () => {
  installation = await Installation.cloned();
  installation.write(versionFile, versionHandler("one"));
  start = installation.start({ READY_TIMEOUT_MS: String(await readyTimeoutMs()) });
  url = (await start.line(/^ready ws:/)).replace("ready ", "");
  const names = Array.from({ length: connections }, (_, index) => `talker-${index}`);
  talkers = await Promise.all(names.map(async (name) => new Talker(await TestClient.open(`${url}/version?name=${name}`))));
  one = await serving();
});

afterAll(() => installation?.end());

describe("deploy", () => {
  test("moves talking clients to the new code: none disconnected, nothing lost, doubled or reordered", async () => {
    for (const talker of talkers) talker.talk();
    installation.write(versionFile, versionHandler("two"));
    const deploy = installation.command(["deploy-worker"]);
    if (hasAutogroups) {
      // New workers leave the cores to those that serve, until they do. The checks, which do as well, have ended by then.
      await deploy.line(/^starting 2 workers/);
      await until("two workers that are held back", () => (String(heldBack()) === "5,5" ? true : undefined));
    }
    expect(await deploy.exited, deploy.output).toBe(0);
    expect(heldBack()).toEqual([]);
    const { output } = deploy;
    for (const { client } of talkers) await client.until(() => String(client.received.at(-1)).startsWith("two"), "the new code answers");
    for (const talker of talkers) expect(await talker.heard()).toEqual(["one", "two"]);
    two = await serving();
    expect(two).toMatch(/^\d{8}T\d{6}Z-[0-9a-f]{7}$/);
    const report = output.slice(output.indexOf(`release ${two} serves`)).split("\n");
    expect(report).toEqual([
      `release ${two} serves (before: release ${one})`,
      `  connections  ${connections} before, ${connections} after`,
      `  handed over  ${connections}`,
      expect.stringMatching(/^ {2}parked {7}\d+$/),
      "  redelivered  0",
      expect.stringMatching(/^ {2}pause {8}p50 [\d.]+ ms, p99 [\d.]+ ms, longest [\d.]+ ms$/),
      expect.stringMatching(/^ {2}time {9}[\d.]+ s, then watched for [\d.]+ s$/),
      expect.stringMatching(/^ {2}threw {8}0 of [\d,]+ turns \(before: 0 of [\d,]+\)$/),
    ]);
  });

  test("reports in JSON for programs: figures and the time of each step, and nothing else on stdout", async () => {
    installation.write(versionFile, versionHandler("three"));
    const { exitCode, stdout } = await installation.run("deploy-worker", "--json");
    expect(exitCode).toBe(0);
    expect(stdout.trim().split("\n")).toHaveLength(1);
    const report = JSON.parse(stdout) as DeployReport;
    three = await serving();
    expect(report).toMatchObject({
      ...{ ok: true, release: three, previous: two, generation: 3 },
      ...{ connectionsBefore: connections, connectionsAfter: connections, handedOver: connections, remaining: 0, redelivered: 0 },
    });
    expect(report.steps.map(({ step }) => step)).toEqual([
      "copying sources and packages",
      "checking types and loading the handlers",
      `starting 2 workers of release ${three}`,
      "trying the states of open connections",
      `activating release ${three}`,
      "handing connections over",
      `watching release ${three} for 0.3 s`,
    ]);
    expect(await answering()).toEqual(["three"]);
  });
});

describe("rollback", () => {
  test("goes back to the warm release within a second, talking clients stay connected", async () => {
    for (const talker of talkers) talker.talk();
    const { exitCode, stdout } = await installation.run("rollback-worker", "--json");
    expect(exitCode, stdout).toBe(0);
    const report = JSON.parse(stdout) as DeployReport;
    expect(report).toMatchObject({ release: two, previous: three, generation: 4, handedOver: connections, redelivered: 0 });
    expect(report.totalMs).toBeLessThan(stretchedMs(1_000));
    for (const { client } of talkers) await client.until(() => String(client.received.at(-1)).startsWith("two"), "the old code answers");
    for (const talker of talkers) expect(await talker.heard()).toEqual(["three", "two"]);
  });

  test("goes further back the second time, to a release whose workers have ended", async () => {
    const { exitCode, output } = await installation.run("rollback-worker");
    expect(exitCode, output).toBe(0);
    expect(output).toContain(`release ${one} serves (before: release ${two})`);
    expect(await answering()).toEqual(["one"]);
  });

  test("says where there is nothing to go back to", async () => {
    const { exitCode, output } = await installation.run("rollback-worker");
    expect(exitCode).toBe(1);
    expect(output).toBe(`release ${one} is the first one\nrelease ${one} still serves`);
    expect(await answering()).toEqual(["one"]);
  });

  test("goes to any release that is kept, by its name, and status lists them", async () => {
    const { exitCode, output } = await installation.run("rollback-worker", three);
    expect(exitCode, output).toBe(0);
    expect(output).toContain(`release ${three} serves (before: release ${one})`);
    expect(await answering()).toEqual(["three"]);
    const { releases, rolledBack } = JSON.parse((await installation.run("status", "--json")).stdout) as Status;
    // Release three was, too, and serves again.
    expect(rolledBack).toEqual([{ id: two, at: expect.any(Number), why: expect.stringMatching(/^asked for by \S+ \(process \d+\)$/) }]);
    expect(releases.map(({ id }) => id)).toEqual([three, two, one]);
    const states = new Map(releases.map(({ id, state }) => [id, state]));
    expect([states.get(three), states.get(one)]).toEqual(["active", "warm"]);
    await installation.statusWhere("an end of the workers of release two", (status) =>
      status.releases.some(({ id, state }) => id === two && state === "kept"),
    );
    const deployedAt = new Date(releases[0]?.deployedAt ?? 0).toLocaleString("sv-SE");
    const { output: shown } = await installation.run("status");
    expect(shown).toMatch(new RegExp(`^${three} +active +${deployedAt}$`, "m"));
    expect(shown).toMatch(new RegExp(`^rolled back +when +why\n${two} +\\d{4}-\\S+ \\S+ +asked for by `, "m"));
    expect((await installation.run("rollback-worker", "--json", one)).exitCode).toBe(0);
    expect(await answering()).toEqual(["one"]);
  });

  test("names those that are kept where it is asked for another", async () => {
    const asked = await installation.run("rollback-worker", "20200101T000000Z-1234567");
    expect(asked.exitCode).toBe(1);
    expect(asked.output).toBe(
      `release.unknown: there is no release 20200101T000000Z-1234567; kept are: ${three}, ${two}\nrelease ${one} still serves`,
    );
    expect((await installation.run("rollback-worker", one)).output).toContain(`release ${one} is the one that serves`);
    const both = await installation.run("rollback-worker", one, two);
    expect(both.exitCode).toBe(2);
    expect(both.output).toMatch(/^one RELEASE at most, not /);
  });
});

describe("refused, and the release before still serves", () => {
  const refused = "worker/handlers/refused.ts";
  const begin = `import { defineHandler } from "../handler.ts";\n`;
  const echo = "onMessage(conn, message) { conn.send(message); }";

  test.each([
    ["a syntax error", `${begin}export default defineHandler({ path: "/refused", ${echo} };\n`, `${refused}:2: `],
    [
      "a type error",
      `${begin}const path: number = "/x";\nexport default defineHandler({ path: "/refused", ${echo} });\n`,
      `${refused}:2: TS2322`,
    ],
    [
      "a path that another file serves",
      `${begin}\nexport default defineHandler({ path: "/echo", ${echo} });\n`,
      `${refused}:3: handler.duplicate`,
    ],
    [
      "a throw at load",
      `${begin}export default defineHandler({ path: "/refused", ${echo} });\nthrow new Error("no luck");\n`,
      `${refused}:3: handler.load: no luck`,
    ],
    [
      "a worker that ends while it loads, though the trial was well",
      `${begin}if (process.env.RELEASE) throw new Error("only in a worker");\nexport default defineHandler({ path: "/refused", ${echo} });\n`,
      `${refused}:2:`,
    ],
    [
      "a development package that only a worker imports",
      `${begin}if (process.env.RELEASE) await import("vitest");\nexport default defineHandler({ path: "/refused", ${echo} });\n`,
      `${refused}:2: handler.load: Cannot find package 'vitest' in this release`,
    ],
    [
      "a worker that never becomes ready",
      `${begin}if (process.env.RELEASE) await new Promise(() => setInterval(() => undefined, 1000));\nexport default defineHandler({ path: "/refused", ${echo} });\n`,
      /worker\/handlers\/refused\.ts: handler\.load: did not load within \d+(\.\d)? s: (does a top-level await never settle\?|the machine is busy .*)$/m,
    ],
    [
      "a worker that stands still while it loads",
      `${begin}if (process.env.RELEASE) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);\nexport default defineHandler({ path: "/refused", ${echo} });\n`,
      /were ready after \d+ s \(READY_TIMEOUT_MS\)\./,
    ],
  ])("%s", async (_, text, expected) => {
    const before = await installation.status();
    const from = start.lines.length;
    installation.write(refused, text);
    const { exitCode, output } = await installation.run("deploy-worker");
    installation.remove(refused);
    expect(output).toMatch(expected);
    const logged = start.lines.slice(from).find((line) => line.includes('"msg":"deploy was refused: '));
    expect((JSON.parse(logged ?? "{}") as { msg?: string }).msg).toMatch(expected);
    expect(output.endsWith(`release ${one} still serves`), output).toBe(true);
    expect(exitCode).toBe(1);
    await expectWhole(one);
    const after = await installation.status();
    expect(after.release).toEqual(before.release);
    expect(after.workers.filter(({ state }) => state === "active")).toEqual(before.workers.filter(({ state }) => state === "active"));
    expect(await answering()).toEqual(["one"]);
  });

  test("an empty folder of handlers", async () => {
    const files = ["chat.ts", "echo.ts", "version.ts"].map((name) => `worker/handlers/${name}`);
    const texts = files.map((file) => readFileSync(join(installation.clone, file), "utf8"));
    rmSync(join(installation.clone, "worker/handlers"), { recursive: true });
    mkdirSync(join(installation.clone, "worker/handlers"));
    const { exitCode, stdout } = await installation.run("deploy-worker", "--json");
    for (const [index, file] of files.entries()) installation.write(file, texts[index] ?? "");
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      error: "the new release does not check out",
      problems: [{ file: "worker/handlers", text: "handler.load: holds no handler module" }],
      serving: one,
    });
    expect(await answering()).toEqual(["one"]);
  });

  test("a path that disappears while clients are connected to it; --force closes them with 1001, and their onClose runs", async () => {
    const file = "worker/handlers/passing.ts";
    installation.write(file, versionHandler("passing", "/passing"));
    installation.write(versionFile, versionHandler("four"));
    const { release } = await deployed();
    const client = await TestClient.open(`${url}/passing?name=passer`);
    installation.remove(file);
    const { exitCode, output } = await installation.run("deploy-worker");
    expect(exitCode).toBe(1);
    expect(output).toContain("the new release does not serve /passing (1 open); npm run deploy-worker -- --force closes these connections");
    expect(output).toContain(`release ${release} still serves`);
    client.send("0");
    await client.receives(1);
    await expectWhole(release);

    installation.write(versionFile, versionHandler("five"));
    await deployed("--force");
    expect(await client.closes()).toMatchObject({ code: 1001 });
    await until("its onClose", () => (closes().length > 0 ? true : undefined));
    expect(closes()).toEqual(["/passing passer 1001"]);
    expect(await answering()).toEqual(["five"]);
  });
});

describe("interrupted", () => {
  test("two deploys at once: the second one says who deploys, and the first one ends well", async () => {
    installation.write(versionFile, versionHandler("six"));
    const first = installation.command(["deploy-worker"]);
    await first.line(/^copying sources/);
    const second = await installation.run("deploy-worker");
    expect(second.exitCode).toBe(1);
    expect(second.output).toMatch(new RegExp(`there is already a deploy by \\S+ \\(process ${first.pid}\\) since .*: wait`));
    expect(await first.exited).toBe(0);
    expect(await answering()).toEqual(["six"]);
  });

  test("a link that cannot be switched does not fail it: what serves is what the record names, and is kept", async () => {
    const link = join(installation.cacheFolder, "current");
    rmSync(link);
    mkdirSync(join(link, "notes"), { recursive: true });
    installation.write(versionFile, versionHandler("unlinked"));
    const { release } = await deployed();
    expect(await answering()).toEqual(["unlinked"]);
    expect(readActivation(join(installation.cacheFolder, "activation.json"))?.release).toBe(release);
    expect(installation.releases()).toContain(release);
    expect(start.output).toContain(`${link} cannot be pointed to release ${release}`);
    rmSync(link, { recursive: true });
  });

  test("the last five are kept, and nothing of those that were refused", async () => {
    for (const version of ["seven", "eight"]) {
      installation.write(versionFile, versionHandler(version));
      await deployed();
    }
    expect(await answering()).toEqual(["eight"]);
    expect(installation.releases()).toHaveLength(5);
    expect(installation.releases().at(-1)).toBe(await serving());
  });

  test("a crashed worker comes back as the release that it was, whatever has become of sources and packages", async () => {
    const { workers } = await installation.status();
    const active = workers.filter(({ state }) => state === "active").map(({ pid }) => pid);
    installation.write(versionFile, "this is no TypeScript");
    installation.write("worker/worker.ts", "nor is this");
    rmSync(join(installation.clone, "node_modules"));
    installation.write("node_modules/README", "nothing is installed");
    for (const pid of active) process.kill(pid, "SIGKILL");
    const { workers: after } = await installation.statusWhere("two new workers", (status) => {
      const now = status.workers.filter(({ state }) => state === "active");
      return now.length === 2 && now.every(({ pid }) => !active.includes(pid));
    });
    expect(after.filter(({ pid }) => isAlive(pid))).toHaveLength(after.length);
    expect(await answering()).toEqual(["eight"]);
    installation.linkPackages();
  });
});

describe("status and end", () => {
  test("status tells what runs, for people and, with --json, for programs", async () => {
    const own = await installation.status();
    const { exitCode, stdout } = await installation.run("status", "--json");
    expect(exitCode).toBe(0);
    const status = JSON.parse(stdout) as Record<string, unknown>;
    expect(status).toMatchObject({
      nats: { url: expect.stringMatching(/^nats:\/\/127\.0\.0\.1:\d+$/), pid: expect.any(Number) },
      release: { id: own.release?.id, generation: own.release?.generation },
      gateways: [{ id: expect.stringMatching(/^g/), pid: own.gateways[0]?.pid, connections, parked: 0, uptime: expect.any(Number) }],
      workers: expect.arrayContaining(
        own.workers.map(({ id, pid, release, state, connections }) => expect.objectContaining({ id, pid, release, state, connections })),
      ),
    });
    const text = await installation.run("status");
    expect(text.exitCode).toBe(0);
    for (const { id, pid } of [...own.gateways, ...own.workers]) expect(text.output).toMatch(new RegExp(`^${id} +${pid} `, "m"));
    expect(text.output).toContain(`release   ${own.release?.id} (generation ${own.release?.generation})`);
  });

  test("the end of the server closes every client with 1001, and every onClose has run by then", async () => {
    rmSync(join(installation.clone, "closes.txt"));
    start.process.kill("SIGTERM");
    expect(await start.exited).toBe(0);
    for (const { client } of talkers) expect(await client.closes()).toMatchObject({ code: 1001 });
    expect(closes().sort()).toEqual(talkers.map((_, index) => `/version talker-${index} 1001`).sort());
  });
});

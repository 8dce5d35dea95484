// The first seconds after a deploy: a release that fails them is taken back, by the real commands, under real clients.

import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { DeployReport } from "../supervisor/deploy-report.ts";
import { stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { type Environment, Installation, releaseIn, until } from "./installation.ts";

const file = "worker/handlers/version.ts";
const clients = 10;
/** How often each client speaks. */
const talkMs = 10;
/** WATCH_MS of a watch that does not end well, however busy the machine is. */
const untilFound = "600000";
/** Each client has an address of its own: throws of all are seen before the watch ends. */
const manyAddresses = { WATCH_MS: untilFound, TRUSTED_PROXIES: "127.0.0.1" };

let installation: Installation;
let stopTalking: () => void;
let talkers: TestClient[];

afterEach(async () => {
  stopTalking();
  await installation.end();
});

/** Answers with its version. @param onMessage runs before, with the message's number. */
function handler(version: string, onMessage = "", onStart = ""): string {
  return `import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/version",
  onStart() { ${onStart} },
  onMessage(conn, message) {
    const number = Number(message.text());
    ${onMessage}
    conn.send(\`${version} \${number}\`);
  },
  onError(conn) { conn.send("error"); },
});
`;
}

/** `npm start` with a handler, and clients that speak all the time. @returns what the release is called. */
async function serve(text: string, env: Environment = {}): Promise<string> {
  installation = await Installation.cloned(env);
  stopTalking = () => undefined;
  installation.write(file, text);
  const start = installation.start();
  const url = (await start.line(/^ready ws:/)).replace("ready ", "");
  talkers = await Promise.all(Array.from({ length: clients }, (_, index) => from(`192.0.2.${index}`, `${url}/version`)));
  let number = 0;
  const timer = setInterval(() => {
    for (const talker of talkers) talker.send(String(number++));
  }, talkMs);
  stopTalking = () => clearInterval(timer);
  return (await installation.status()).release?.id ?? "";
}

/** A client with an address of its own, where TRUSTED_PROXIES has 127.0.0.1. */
function from(address: string, url: string): Promise<TestClient> {
  return TestClient.open(url, { headers: { "x-forwarded-for": address } });
}

/** All clients are answered by this version, and none was ever disconnected. */
async function answers(version: string): Promise<void> {
  for (const talker of talkers) {
    const from = talker.received.length;
    await talker.until(() => talker.received.slice(from).some((answer) => String(answer).startsWith(`${version} `)), `${version} answers`);
    expect(talker.isOpen).toBe(true);
  }
}

/** The release serves, alone, and what was rolled back is gone. */
async function expectAlone(release: string, generation: number): Promise<void> {
  const { workers, ...status } = await installation.statusWhere("one release's workers", ({ deploying, workers }) => {
    return deploying === null && workers.every((worker) => worker.release === release && worker.state === "active");
  });
  expect(status.release).toEqual({ id: release, generation });
  expect(workers).toHaveLength(2);
  expect(installation.releases()).toEqual([release]);
}

describe("a release is rolled back by itself", () => {
  test("when its turns throw clearly more often: what was compared and its errors are shown, and the next deploy works", async () => {
    const first = await serve(handler("one"), manyAddresses);
    await answers("one");
    // Of ten clients that count on, each meets a multiple of three, and only some meet one of four.
    installation.write(file, handler("two", 'if (number % 3 === 0) throw new Error("no luck");'));
    const { exitCode, output } = await installation.run("deploy-worker");
    expect(exitCode).toBe(1);
    expect(output).toMatch(/^release \S+ was rolled back: its turns throw clearly more often than before$/m);
    expect(output).toMatch(/^ {2}before {2}0 of [\d,]+ turns threw$/m);
    const [, thrown = "", turns = ""] = /^ {2}now {5}(\d+) of (\d+) turns threw, in [\d.]+ s$/m.exec(output) ?? [];
    expect(Number(thrown)).toBeGreaterThanOrEqual(10);
    expect(Number(thrown) / Number(turns)).toBeCloseTo(1 / 3, 0);
    expect(output).toMatch(
      /^ {2}onMessage was rolled back \(\/version\): Error: no luck \(× \d+\)\n +at \S+ \(worker\/handlers\/version\.ts:8:/m,
    );
    expect(output.endsWith(`release ${first} still serves`), output).toBe(true);
    expect(output).toMatch(/^watching release \S+: failed, its turns throw clearly more often than before: \d+ of \d+ .* \([\d.]+ s\)$/m);
    expect(output).not.toMatch(/^watching release .*: done/m);
    await answers("one");
    await expectAlone(first, 3);
    const gone = /^release (\S+) was rolled back/m.exec(output)?.[1] ?? "";
    const why = expect.stringMatching(/^its turns throw clearly more often than before: \d+ of \d+ \(before: 0 of [\d,]+\)$/);
    expect((await installation.status()).rolledBack).toEqual([{ id: gone, at: expect.any(Number), why }]);
    expect((await installation.run("rollback-worker", gone)).output).toMatch(
      /^release\.unknown: release \S+ was rolled back \(its turns .*\) and removed; kept are: /m,
    );

    installation.write(file, handler("three"));
    const next = installation.command(["deploy-worker", "--json"]);
    await answers("three");
    next.process.kill("SIGKILL");
  });

  test("when it has no use for the state of open connections", async () => {
    const withState = (fields: string, usual: string) => `import * as v from "valibot";
import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/version",
  state: v.optional(v.object(${fields}), ${usual}),
  onOpen(conn) { conn.setState(conn.state); },
  onMessage(conn, message) { conn.send(\`here \${message.text()}\`); },
});
`;
    const first = await serve(withState("{ x: v.number() }", "{ x: 1 }"), manyAddresses);
    await answers("here");
    installation.write(file, withState("{ x: v.number(), hp: v.number() }", "{ x: 1, hp: 9 }"));
    const { exitCode, output } = await installation.run("deploy-worker", "--force");
    expect(exitCode, output).toBe(1);
    expect(output).toMatch(/^ {2}closed {2}10: state\.incompatible \(10\)$/m);
    expect(output.endsWith(`release ${first} still serves`), output).toBe(true);
    expect(await Promise.all(talkers.map((talker) => talker.closes()))).toEqual(
      talkers.map(() => ({ code: 1012, reason: "state.incompatible" })),
    );
  });

  test("and says whom it had to close: those that opened under it, with a state that does not fit the one before", async () => {
    const withState = (field: string, more: string) => `import * as v from "valibot";
import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/version",
  state: v.object({ ${field}: v.number() }),
  onUpgrade: () => ({ state: { ${field}: 1 } }),
  ${more}
});
`;
    const answering = (version: string) =>
      `onMessage(conn, message) { conn.setState(conn.state); conn.send("${version} " + message.text()); },`;
    const migrate = "migrate: (stored) => ({ total: (stored as { count: number }).count }), onError() {},";
    const throwing =
      'onMessage(conn) { if (conn.query.has("late")) throw new Error("no luck"); conn.send("two"); conn.setState(conn.state); },';
    const first = await serve(withState("count", answering("one")), manyAddresses);
    installation.write(file, withState("total", `${migrate} ${throwing}`));
    const command = installation.command(["deploy-worker", "--json"]);
    await Promise.all(talkers.map((talker) => talker.until(() => talker.received.includes("two"), "the new release answers")));
    const { url } = await installation.status();
    const late = await Promise.all(talkers.map((_, index) => from(`198.51.100.${index}`, `${url}/version?late`)));
    // By hand it would be refused; the deploy goes on.
    const refused = await installation.run("rollback-worker");
    expect(refused).toMatchObject({ exitCode: 1, output: expect.stringContaining("the states of 10 of 20 open connections") });
    expect(late.every(({ isOpen }) => isOpen)).toBe(true);
    for (let count = 0; count < 100; count++) for (const client of late) client.send("0");
    expect(await command.exited, command.output).toBe(1);
    const { rolledBack, error, serving } = JSON.parse(command.stdout);
    expect(serving).toBe(first);
    expect(rolledBack).toMatchObject({ reason: "throws", closed: {}, closedGoingBack: { "state.incompatible": 10 } });
    expect(error).toMatch(
      /^going back has closed 10: state\.incompatible \(10\)\nthe last errors of its workers:\n {2}onAdopt was .*count: /m,
    );
    expect(await Promise.all(late.map((client) => client.closes()))).toEqual(
      late.map(() => ({ code: 1012, reason: "state.incompatible" })),
    );
    await answers("one");
  });

  test("when a worker crashes, although the command that deployed it was killed", async () => {
    const first = await serve(handler("one"), { WATCH_MS: untilFound });
    installation.write(file, handler("two", "", "setTimeout(() => process.exit(3), 1500);"));
    const command = installation.command(["deploy-worker"]);
    await command.line(/^watching release/);
    await answers("two");
    command.process.kill("SIGKILL");
    await answers("one");
    await expectAlone(first, 3);
  });

  test("when its onStart fails", async () => {
    const first = await serve(handler("one"), { WATCH_MS: untilFound });
    await answers("one");
    installation.write(file, handler("two", "", 'throw new Error("no ticker");'));
    const { exitCode, output } = await installation.run("deploy-worker");
    expect(exitCode, output).toBe(1);
    expect(output).toMatch(/^release \S+ was rolled back: its onStart failed$/m);
    expect(output).toMatch(/^ {2}onStart failed.*: Error: no ticker(?: \(× \d+\))?\n +at \S+ \(worker\/handlers\/version\.ts:5:/m);
    expect(output.endsWith(`release ${first} still serves`), output).toBe(true);
    await answers("one");
    await expectAlone(first, 3);
  });

  test("when a worker hangs, also after the time to watch; in JSON for programs", async () => {
    // It is known to hang at twice WORKER_TIMEOUT_MS.
    const first = await serve(handler("one"), { WATCH_MS: "2000", WORKER_TIMEOUT_MS: "2000" });
    await answers("one");
    installation.write(file, handler("two", "if (number < 0) for (;;);"));
    const command = installation.command(["deploy-worker", "--json"]);
    await answers("two");
    talkers[0]?.send("-1");
    expect(await command.exited, command.output).toBe(1);
    const { error, rolledBack, serving } = JSON.parse(command.stdout);
    expect(serving).toBe(first);
    expect(rolledBack).toMatchObject({ backTo: first, reason: "crash", before: { thrown: 0 } });
    expect(error).toMatch(/was ended by SIGKILL: it hung; under way: \/version \(\d+\), of connections? g[\w-]+/);
    await answers("one");
    await expectAlone(first, 3);
  });

  test("when somebody asks for the release before meanwhile: one rollback answers both commands, within a second", async () => {
    const first = await serve(handler("one"), { WATCH_MS: untilFound, WARM_MS: "0" });
    installation.write(file, handler("two"));
    const deploy = installation.command(["deploy-worker"]);
    await deploy.line(/^watching release/);
    await answers("two");
    expect((await installation.run("deploy-worker")).output).toMatch(
      /^there is already a deploy by .*, watching until \d\d:\d\d:\d\d: wait, or npm run rollback-worker$/m,
    );
    expect((await installation.run("rollback-worker", "another")).output).toMatch(/^there is already a deploy by /);
    const { exitCode, stdout } = await installation.run("rollback-worker", "--json");
    expect(exitCode, stdout).toBe(0);
    const report = JSON.parse(stdout) as DeployReport;
    expect(report).toMatchObject({ release: first, generation: 3, handedOver: clients, redelivered: 0 });
    expect(report.totalMs).toBeLessThan(stretchedMs(1_000));
    expect(await deploy.exited).toBe(1);
    // While it is watched, the one before stays warm whatever WARM_MS is.
    expect(deploy.output).toContain(`release ${first} is still warm`);
    expect(deploy.output).toMatch(
      /^watching release \S+: ended, a rollback was asked for by rollback-worker, \S+ \(process \d+\) \(.* s\)$/m,
    );
    expect(deploy.output).toMatch(/was rolled back: asked for by rollback-worker, \S+ \(process \d+\)$/m);
    await answers("one");
    await expectAlone(first, 3);
  });
});

describe("a release stays", () => {
  test("when a stranger makes it throw, and nobody else", async () => {
    const nonsense = 'if (number < 0) throw new Error("nonsense");';
    await serve(handler("one", nonsense), { WATCH_MS: String(stretchedMs(5_000)), TRUSTED_PROXIES: "127.0.0.1" });
    await answers("one");
    const stranger = await from("198.51.100.1", `${(await installation.status()).url}/version`);
    installation.write(file, handler("two", nonsense));
    const command = installation.command(["deploy-worker", "--json"]);
    await answers("two");
    const speaking = setInterval(() => stranger.send("-1"), talkMs);
    const exitCode = await command.exited;
    clearInterval(speaking);
    expect(exitCode, command.output).toBe(0);
    const { watch } = JSON.parse(command.stdout) as DeployReport;
    expect(watch?.now.thrown).toBeGreaterThan(10);
    expect(watch?.forFew).toBe(true);
    await answers("two");
  });

  test("when it throws no more than the one before, and is watched to the end though Ctrl-C ended the command", async () => {
    const always = 'if (number % 20 === 0) throw new Error("as always");';
    const first = await serve(handler("one", always), { WATCH_MS: "2000" });
    await answers("one");
    installation.write(file, handler("two", always));
    const { exitCode, stdout } = await installation.run("deploy-worker", "--json");
    expect(exitCode, stdout).toBe(0);
    const { release, watch } = JSON.parse(stdout) as DeployReport;
    expect(watch?.now.thrown).toBeGreaterThan(10);
    expect(watch?.before?.thrown).toBeGreaterThan(0);
    expect(watch?.ms).toBeGreaterThanOrEqual(2_000);

    installation.write(file, handler("three", always));
    const command = installation.command(["deploy-worker"]);
    const line = await command.line(/^watching release/);
    command.process.kill("SIGINT");
    expect(await command.exited).toBe(130);
    expect(command.lines.at(-1)).toMatch(
      /^release \S+ is active, and the server goes on watching it until \d\d:\d\d:\d\d; npm run rollback-worker goes back$/,
    );
    expect(releaseIn(command.lines.at(-1) ?? "")).toBe(releaseIn(line));
    expect((await installation.status()).deploying).toMatch(/^deploy by .*, watching until \d\d:\d\d:\d\d$/);
    await installation.statusWhere("an end of the deploy", ({ deploying }) => deploying === null);
    await answers("three");
    expect(line).toContain((await installation.status()).release?.id);
    expect((await installation.run("rollback-worker")).output).toContain(`release ${release} serves`);
    expect((await installation.run("rollback-worker")).output).toContain(`release ${first} serves`);
  });
});

test("what threw too seldom for a rollback is shown, and how many connections are left", async () => {
  await serve(handler("one"), { WATCH_MS: "3000" });
  installation.write(file, handler("two", 'if (number < 0) throw new Error("no luck");'));
  const command = installation.command(["deploy-worker"]);
  await answers("two");
  talkers[0]?.send("-1");
  await talkers[1]?.close();
  expect(await command.exited, command.output).toBe(0);
  expect(command.output).toMatch(/^ {2}connections {2}10 before, 9 after$/m);
  expect(command.output).toMatch(
    /^ {2}threw {8}1 of [\d,]+ turns \(before: 0 of [\d,]+\); fewer than 10 never .*, npm run rollback-worker does\nthe last errors of its workers:\n {2}onMessage was rolled back/m,
  );
});

test("a first deploy whose workers cannot run says so: there is nothing to go back to", async () => {
  installation = await Installation.cloned({ WORKERS: "0", WATCH_MS: "1500" });
  stopTalking = () => undefined;
  // Its workers end as soon as there is this file: once they have work, not before.
  const signal = JSON.stringify(join(installation.clone, "end"));
  const end = `void import("node:fs").then((fs) => setInterval(() => fs.existsSync(${signal}) && process.exit(3), 20));`;
  installation.write(file, handler("one", "", end));
  const start = installation.start();
  await start.line(/^ready ws:/);
  const command = installation.command(["deploy-worker"]);
  await command.line(/^handing connections over/);
  installation.write("end", "");
  expect(await command.exited).toBe(1);
  expect(command.output).toMatch(
    /^release \S+ does not prove itself: worker-\S+ ended with exit code 3\nthere is no release to go back to$/m,
  );
  installation.write(file, handler("two"));
  expect((await installation.run("deploy-worker")).exitCode).toBe(0);
  await until("an end of the deploy", async () => ((await installation.status()).deploying === null ? true : undefined));
});

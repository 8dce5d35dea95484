// AutobahnJS 0.8, which npm does not have, against the adapter for WAMP 1, through deploys, a killed worker and a killed gateway; and the script
// of docs/ratchet.md, as it stands there. It is fetched by hand, and no part of thinstate:
//
//   git clone --branch v0.8.2 https://github.com/crossbario/autobahn-js
//   npx tsx test/suites/autobahn-0.8.ts autobahn-js

import { deepStrictEqual } from "node:assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInNewContext, runInThisContext } from "node:vm";
import { WebSocket } from "ws";
import { withKey } from "../../process/api-keys/changes.ts";
import { newKey, writeKeys } from "../../process/api-keys/key-file.ts";
import { freePort } from "../../supervisor/port.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { Signal } from "../../testbed/signal.ts";
import { TestSystem } from "../system.ts";

/** What this uses of it. */
interface Session {
  sessionid(): string;
  prefix(prefix: string, uri: string): void;
  call(procedure: string, ...args: unknown[]): Promise<unknown>;
  subscribe(topic: string, listener: (topic: string, event: unknown) => void): void;
  unsubscribe(topic: string): void;
  publish(topic: string, event: unknown, ...audience: unknown[]): void;
  close(): void;
}

type Connect = (
  url: string,
  onOpen: (session: Session) => void,
  onHangup: (code: number, reason: string) => void,
  options?: { retryDelay: number; maxRetries: number },
) => void;

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write("usage: npx tsx test/suites/autobahn-0.8.ts DIR, where DIR is a clone of autobahn-js at v0.8.2\n");
  process.exit(2);
}

// As in a page. Its promises are a submodule of its own; these stand for them.
Object.assign(globalThis, { WebSocket, when: { defer } });
for (const file of ["autobahn", "useragent"])
  runInThisContext(readFileSync(join(folder, "autobahn", `${file}.js`), "utf8"), { filename: file });
const { ab } = globalThis as unknown as { ab: { connect: Connect; [code: `CONNECTION_${string}`]: number } };
const { connect } = ab;

const chat = "http://example.com/chat/blue";
const signal = new Signal();
let system = await TestSystem.start({ handlers: "wamp1", workers: 2 });
try {
  system.keepWorkers();
  const [ada, bob, cyd] = await Promise.all([open(), open(), open()]);
  const heard = { ada: listen(ada), bob: listen(bob), cyd: listen(cyd) };

  ada.prefix("calc", "http://example.com/calc#");
  deepStrictEqual(await ada.call("calc:add", 1, 2, 3), 6);
  deepStrictEqual(await ada.call("calc:none").catch((error) => error), {
    uri: "http://example.com/calc#error",
    desc: "there is only add",
    detail: { asked: "http://example.com/calc#none" },
  });

  let expected = 0;
  const rounds = ["before", "deploy", "deploy", "deploy", "deploy", "deploy", "kill", "NATS"];
  for (const [round, what] of rounds.entries()) {
    const calls = Promise.all(Array.from({ length: 20 }, (_, index) => ada.call("calc:add", round, index)));
    if (what === "deploy") await system.deploy(`${round + 1}`, { workers: 2 });
    if (what === "kill") system.live("worker")[0]?.child.kill("SIGKILL");
    if (what === "NATS") await system.restartNats();
    deepStrictEqual(
      await calls,
      Array.from({ length: 20 }, (_, index) => round + index),
    );
    ada.publish(chat, `${round} all`);
    ada.publish(chat, `${round} me, too`, false);
    ada.publish(chat, `${round} others`, true);
    ada.publish(chat, `${round} not bob`, [bob.sessionid()]);
    ada.publish(chat, `${round} bob alone`, [], [bob.sessionid()]);
    expected += 4;
    await signal.until(() => heard.cyd.length >= expected && heard.bob.length >= expected, "all events arrive", patienceMs);
  }
  const all = (names: readonly string[]) => rounds.flatMap((_, round) => names.map((name) => `${round} ${name}`));
  deepStrictEqual(heard.ada, all(["all", "me, too", "not bob"]));
  deepStrictEqual(heard.bob, all(["all", "me, too", "others", "bob alone"]));
  deepStrictEqual(heard.cyd, all(["all", "me, too", "others", "not bob"]));
  for (const session of [ada, bob, cyd]) session.close();
  await throughKilledGateway();
  process.stdout.write(
    `AutobahnJS 0.8: calls, prefixes, events and their audiences through ${rounds.length - 1} changes and a killed gateway\n`,
  );
} finally {
  await system.stop();
}
await runPagesScript();
process.stdout.write(
  "The script of docs/ratchet.md hears what is published, through a deploy and a killed worker, until its gateway is killed\n",
);

function defer() {
  let [resolve, reject] = [(_value: unknown) => {}, (_error: unknown) => {}];
  const promise = new Promise((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

/** What was on its way may be lost; nothing is doubled, reordered or answered wrongly, and both come back by themselves. */
async function throughKilledGateway(): Promise<void> {
  const adas = comeBack();
  const bobs = comeBack();
  const events: unknown[][] = [];
  const work = async () => {
    const [ada, bob] = await Promise.all([adas.next(), bobs.next()]);
    const heard = listen(bob);
    events.push(heard);
    // Once bob hears himself, he is subscribed.
    bob.publish(chat, "begin", false);
    await signal.until(() => heard.includes("begin"), "bob is subscribed", patienceMs);
    const answers = Array.from({ length: 50 }, (_, index) => {
      ada.publish(chat, index);
      return ada.call("http://example.com/calc#add", index, 1).then((answer) => deepStrictEqual(answer, index + 1));
    });
    return { heard, answers };
  };
  // AutobahnJS never settles a call whose connection is lost. A wrong answer ends this process.
  const first = await work();
  await system.live("gateway")[0]?.end("SIGKILL");
  system.startGateway();
  const second = await work();
  await Promise.all(second.answers);
  await signal.until(() => second.heard.length === 51, "all events of the second connection arrive", patienceMs);
  const numbers = Array.from({ length: 50 }, (_, index) => index);
  deepStrictEqual(second.heard, ["begin", ...numbers]);
  deepStrictEqual(first.heard, ["begin", ...numbers].slice(0, first.heard.length));
  for (const { hangups } of [adas, bobs]) {
    deepStrictEqual(hangups[0], ab.CONNECTION_LOST_SCHEDULED_RECONNECT);
    for (const code of hangups.slice(1)) deepStrictEqual(code, ab.CONNECTION_UNREACHABLE_SCHEDULED_RECONNECT);
  }
}

/** A client that comes back by itself: a session for each of its connections. */
function comeBack(): { next: () => Promise<Session>; hangups: number[] } {
  const sessions: Session[] = [];
  const hangups: number[] = [];
  let taken = 0;
  const onOpen = (session: Session) => {
    sessions.push(session);
    signal.tell();
  };
  connect(`${system.url}/wamp1`, onOpen, (code) => void hangups.push(code), { retryDelay: 50, maxRetries: 100_000 });
  return {
    hangups,
    async next() {
      await signal.until(() => sessions.length > taken, "it is connected", patienceMs);
      return sessions[taken++] as Session;
    },
  };
}

/** The push tutorial's: entries that are published through the HTTP API are logged, once and in order. */
async function runPagesScript(): Promise<void> {
  const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "ratchet.md"), "utf8");
  const [, script = ""] = /```js\n(const session = new ab\.Session\(.*?)```/s.exec(page) ?? [];
  const keys = mkdtempSync(join(tmpdir(), "thinstate-autobahn-"));
  const file = join(keys, "keys.json");
  const key = newKey();
  writeKeys(file, withKey([], { name: "blog", rights: { publish: ["*"], users: [], members: [], history: [] }, key, now: new Date() }));
  const port = await freePort("127.0.0.1");
  const environment = { API_KEYS_FILE: file, API_PORT: String(port) };
  system = await TestSystem.start({ handlers: "ratchet-page", workers: 2, environment });
  const logged: string[] = [];
  const says = (text: string) =>
    signal.until(
      () => logged.includes(text),
      () => `"${text}": ${logged.join("\n")}`,
      patienceMs,
    );
  const titled = (title: string) => `New article published to category "kittensCategory": ${title}`;
  const post = async (title: string) => {
    const data = [8, "kittensCategory", { title }];
    const response = await fetch(`http://127.0.0.1:${port}/publish`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
      body: JSON.stringify({ topic: "wamp1:/pusher#kittensCategory", data }),
    });
    deepStrictEqual(response.status, 202);
  };
  try {
    const log = (text: string) => {
      logged.push(text);
      signal.tell();
    };
    runInNewContext(script.replace("ws://localhost:8080", system.url), { ab, console: { log, warn: log } });
    while (!logged.includes(titled("first"))) await post("first");
    system.keepWorkers();
    await post("before");
    await system.deploy("2", { workers: 2 });
    await post("deployed");
    system.live("worker")[0]?.child.kill("SIGKILL");
    await post("killed");
    await says(titled("killed"));
    deepStrictEqual(
      logged.filter((text) => text !== titled("first")),
      ["before", "deployed", "killed"].map(titled),
    );
    await system.live("gateway")[0]?.end("SIGKILL");
    await says("WebSocket connection closed");
  } finally {
    await system.stop();
    rmSync(keys, { recursive: true });
  }
}

function open(): Promise<Session> {
  return new Promise((resolve, reject) => {
    connect(`${system.url}/wamp1`, resolve, (code, reason) => reject(new Error(`hung up with ${code}: ${reason}`)));
  });
}

function listen(session: Session): unknown[] {
  const events: unknown[] = [];
  session.subscribe(chat, (_, event) => {
    events.push(event);
    signal.tell();
  });
  return events;
}

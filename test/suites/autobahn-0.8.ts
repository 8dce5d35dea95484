// AutobahnJS 0.8, which npm does not have, against the adapter for WAMP 1, through deploys and a killed worker. It is fetched by hand, and no
// part of thinstate:
//
//   git clone --branch v0.8.2 https://github.com/crossbario/autobahn-js
//   npx tsx test/suites/autobahn-0.8.ts autobahn-js

import { deepStrictEqual } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInThisContext } from "node:vm";
import { WebSocket } from "ws";
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

type Connect = (url: string, onOpen: (session: Session) => void, onHangup: (code: number, reason: string) => void) => void;

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write("usage: npx tsx test/suites/autobahn-0.8.ts DIR, where DIR is a clone of autobahn-js at v0.8.2\n");
  process.exit(2);
}

// As in a page. Its promises are a submodule of its own; these stand for them.
Object.assign(globalThis, { WebSocket, when: { defer } });
for (const file of ["autobahn", "useragent"])
  runInThisContext(readFileSync(join(folder, "autobahn", `${file}.js`), "utf8"), { filename: file });
const { connect } = (globalThis as unknown as { ab: { connect: Connect } }).ab;

const chat = "http://example.com/chat/blue";
const signal = new Signal();
const system = await TestSystem.start({ handlers: "wamp1", workers: 2 });
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
  process.stdout.write(`AutobahnJS 0.8: calls, prefixes, events and their audiences through ${rounds.length - 1} changes\n`);
} finally {
  await system.stop();
}

function defer() {
  let [resolve, reject] = [(_value: unknown) => {}, (_error: unknown) => {}];
  const promise = new Promise((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
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

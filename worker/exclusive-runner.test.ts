import { beforeEach, expect, test } from "vitest";
import { toWorker } from "../protocol/records.ts";
import { ExclusiveRunner } from "./exclusive-runner.ts";
import { defineHandler } from "./handler.ts";
import { Mailbox } from "./mailbox.ts";
import { nobody } from "./testing/turn-bench.ts";

let exclusive: ExclusiveRunner;
let isBusy: boolean;
/** Its link has no credit. */
let starved: Mailbox | undefined;
/** Its hook waits for nothing. */
let endsAtOnce: Mailbox | undefined;
let log: string[];
let told: Array<{ resolve: () => void; reject: () => void }>;

const open = { type: toWorker.open, redelivered: false, flushed: 0 } as const;

/** With one event. */
function mailbox(id: string): Mailbox {
  const mailbox = new Mailbox({
    ...{
      id,
      gateway: nobody,
      slot: 0,
      epoch: 1,
      user: undefined,
      path: "/",
      params: {},
      query: new URLSearchParams(),
      ip: "",
    },
    ...{
      subprotocol: "",
      state: undefined,
      topics: new Set(),
      next: 0,
      isMigrated: false,
      fault: undefined,
      handler: defineHandler({ path: "/" }),
    },
  });
  mailbox.push(open);
  return mailbox;
}

/** As turns do; an event is under way until `end`. */
function run(mailbox: Mailbox): void {
  if (mailbox === starved || !exclusive.mayRun(mailbox) || mailbox.begin() === undefined) return;
  log.push(mailbox.pin.id);
  if (mailbox === endsAtOnce) end(mailbox);
}

function end(mailbox: Mailbox): void {
  mailbox.done(open, false);
  log.push(`${mailbox.pin.id} ends`);
  exclusive.step();
}

/** NATS has taken what was told. */
async function confirm(): Promise<void> {
  told.shift()?.resolve();
  await Promise.resolve();
  await Promise.resolve();
}

beforeEach(() => {
  isBusy = false;
  starved = undefined;
  endsAtOnce = undefined;
  log = [];
  told = [];
  exclusive = new ExclusiveRunner({
    isBusy: () => isBusy,
    tell: (mailbox) => {
      log.push(`${mailbox.pin.id} begins`);
      return new Promise((resolve, reject) => told.push({ resolve, reject: () => reject(new Error("no NATS")) }));
    },
    run,
  });
});

/** As it comes. */
function suspect(id: string): Mailbox {
  const suspect = mailbox(id);
  exclusive.add(suspect);
  run(suspect);
  exclusive.step();
  return suspect;
}

test("without a suspect everything runs at once", () => {
  run(mailbox("a"));
  exclusive.do(() => log.push("question"));
  exclusive.step();
  expect(log).toEqual(["a", "question"]);
});

test("a suspect waits until nothing is under way, says that it begins, and then runs; everything else waits until it is done", async () => {
  isBusy = true;
  const alone = suspect("alone");
  run(mailbox("other"));
  exclusive.do(() => log.push("question"));
  expect([log, exclusive.waiting]).toEqual([[], 1]);
  isBusy = false;
  exclusive.step();
  exclusive.step();
  expect(log, "not before NATS has taken it").toEqual(["alone begins"]);
  await confirm();
  exclusive.step();
  expect(log).toEqual(["alone begins", "alone"]);
  end(alone);
  expect(log.slice(2)).toEqual(["alone ends", "other", "question"]);
  expect(exclusive.waiting).toBe(0);
});

test("two suspects run one after the other, then the rest", async () => {
  const first = suspect("first");
  const second = suspect("second");
  run(mailbox("other"));
  await confirm();
  end(first);
  expect(log).toEqual(["first begins", "first", "first ends", "second begins"]);
  await confirm();
  end(second);
  expect(log.slice(4)).toEqual(["second", "second ends", "other"]);
});

test("one that is done before it is let go keeps the next one from nothing", async () => {
  const [a, b] = [suspect("a"), suspect("b")];
  endsAtOnce = a;
  exclusive.step();
  await confirm();
  expect(log).toEqual(["a begins", "a", "a ends", "b begins"]);
  await confirm();
  expect(log.slice(4)).toEqual(["b"]);
  end(b);
  expect(exclusive.mayRun(mailbox("c"))).toBe(true);
});

test("what cannot be told is told again, and does not run before", async () => {
  const alone = suspect("alone");
  told.shift()?.reject();
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  expect(log).toEqual(["alone begins"]);
  exclusive.step();
  await confirm();
  end(alone);
  expect(log).toEqual(["alone begins", "alone begins", "alone", "alone ends"]);
});

test.each([
  ["waits", () => undefined],
  ["was told of", () => exclusive.step()],
])("a suspect that goes while it %s lets the others go on", async (_, before) => {
  isBusy = true;
  const gone = suspect("gone");
  run(mailbox("other"));
  isBusy = false;
  before();
  gone.forget();
  exclusive.step();
  await confirm();
  expect(log.filter((line) => !line.endsWith("begins"))).toEqual(["other"]);
});

test("a suspect whose link has lost its credit before it could begin stays one: it says again that it begins, and nothing runs beside it", async () => {
  const alone = suspect("alone");
  const other = mailbox("other");
  starved = alone;
  isBusy = true;
  await confirm();
  run(other);
  exclusive.step();
  expect(log).toEqual(["alone begins"]);
  starved = undefined;
  isBusy = false;
  run(alone);
  exclusive.step();
  await confirm();
  expect(log).toEqual(["alone begins", "alone begins", "alone"]);
  end(alone);
  expect(log.slice(3)).toEqual(["alone ends", "other"]);
});

test("one whose event was given back meanwhile keeps nobody waiting", async () => {
  const alone = suspect("alone");
  run(mailbox("other"));
  alone.leave(false);
  await confirm();
  expect(log).toEqual(["alone begins", "other"]);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { toWorker } from "../protocol/records.ts";
import { defineHandler } from "./handler.ts";
import { Mailbox, type MailboxEvent } from "./mailbox.ts";
import { ReceivedMessage } from "./message.ts";
import { nobody } from "./testing/turn-bench.ts";

const handler = defineHandler({ path: "/a" });

function mailbox(next = 0): Mailbox {
  return new Mailbox({
    gateway: nobody,
    slot: 0,
    epoch: 1,
    id: "g-0-1",
    user: undefined,
    path: "/a",
    params: {},
    query: new URLSearchParams(),
    ip: "127.0.0.1",
    subprotocol: "",
    state: undefined,
    topics: new Set(),
    next,
    isMigrated: false,
    fault: undefined,
    handler,
  });
}

const fresh = { redelivered: false, flushed: 0 };
const open: MailboxEvent = { type: toWorker.open, ...fresh };
const adopt: MailboxEvent = { type: toWorker.adopt, ...fresh };
const close: MailboxEvent = { type: toWorker.close, code: 1000, reason: "", ...fresh };

function message(text: string): MailboxEvent & { type: typeof toWorker.message } {
  return { type: toWorker.message, message: new ReceivedMessage(Buffer.from(text), false), ...fresh };
}

test.each([
  ["a message", (text: string) => message(text)],
  ["what was published", (text: string) => ({ ...message(text), type: toWorker.published, topic: "t", number: 1 })],
])("%s that has to wait gets bytes of its own: the batch that it came in is not kept", (_, made) => {
  const box = mailbox();
  const [first, second] = [made("a"), made("b")];
  const { buffer } = second.message.raw;
  for (const event of [first, second]) box.push(event);
  expect([second.message.raw.buffer === buffer, second.message.text()]).toEqual([false, "b"]);
});

test("turn ids count every event but an adoption", () => {
  const box = mailbox(7);
  for (const event of [adopt, message("a"), message("b")]) box.push(event);
  const counts: number[] = [];
  for (let event = box.begin(); event !== undefined; event = box.begin()) {
    counts.push(box.next);
    box.done(event, false);
  }
  expect(counts).toEqual([7, 7, 8]);
});

test("a connection whose gateway has died leaves a close behind what was begun or waits, with its number", () => {
  const box = mailbox(7);
  expect(box.closeHandoff()).toEqual({ close: { ...close, code: 1006 }, next: 7 });
  for (const event of [adopt, message("a"), message("b")]) box.push(event);
  expect(box.closeHandoff().next).toBe(9);
  box.done(box.begin() as MailboxEvent, false);
  box.begin();
  expect(box.closeHandoff().next).toBe(9);
});

test("a close that it was given stays what it was, and is redelivered if it had begun", () => {
  const box = mailbox(7);
  for (const event of [message("a"), close]) box.push(event);
  box.done(box.begin() as MailboxEvent, false);
  expect(box.closeHandoff()).toEqual({ close, next: 8 });
  box.begin();
  box.flushed++;
  expect(box.closeHandoff()).toEqual({ close: { ...close, redelivered: true, flushed: 1 }, next: 8 });
});

test("a close by the handler discards the messages behind it, and keeps the onClose that follows", () => {
  const box = mailbox();
  for (const event of [message("bye"), message("too late"), close]) box.push(event);
  box.done(box.begin() as MailboxEvent, true);
  expect(box.begin()).toBe(close);
});

test("after its own close a connection is told of its onClose and of nothing else", () => {
  const box = mailbox();
  box.push(open);
  box.done(box.begin() as MailboxEvent, true);
  box.push(message("too late"));
  expect(box.begin()).toBeUndefined();
  box.push(close);
  expect(box.begin()).toBe(close);
});

test("it is given back between turns, not within one", () => {
  const box = mailbox();
  box.push(message("a"));
  const event = box.begin() as MailboxEvent;
  box.leave(false);
  expect(box.release()).toBe(false);
  box.done(event, false);
  expect(box.release()).toBe(true);
  expect(box.isGone).toBe(true);
});

test("a message that waits keeps none of the batch that it came in", () => {
  const batch = Buffer.from("firstsecond");
  const box = mailbox();
  const first = new ReceivedMessage(batch.subarray(0, 5), false);
  const second = new ReceivedMessage(batch.subarray(5), false);
  box.push({ type: toWorker.message, message: first, ...fresh });
  box.push({ type: toWorker.message, message: second, ...fresh });
  batch.fill(0);
  expect(second.text()).toBe("second");
});

// ── any sequence of what may happen to a mailbox ──────────────────────────────────────────────────────────────────────

type Step = "push" | "close" | "begin" | "done" | "doneCloses" | "leave" | "leaveForGood" | "stay" | "endStay" | "release" | "forget";

/** What a mailbox has to do with its steps, as simply as it can be said. */
interface Model {
  waiting: MailboxEvent[];
  running: MailboxEvent | undefined;
  hasLeft: boolean;
  stays: boolean;
  /** Its stay has ended after it was asked back. */
  hasStayed: boolean;
  hasClosed: boolean;
  isGone: boolean;
  releases: number;
}

const often: readonly Step[] = ["push", "push", "push", "begin", "begin", "begin", "done", "done", "done"];
const anyStep = fc.constantFrom<Step>(
  ...often,
  "stay",
  "stay",
  "endStay",
  "close",
  "doneCloses",
  "leave",
  "leaveForGood",
  "release",
  "forget",
);

test("order is kept, one runs at a time, and nothing runs after close or forget, nor after leave unless it stays", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60, size: "max" }), (steps) => {
      const box = mailbox();
      const stay = { hasLeft: false, stays: false, hasStayed: false };
      const model: Model = { waiting: [], running: undefined, ...stay, hasClosed: false, isGone: false, releases: 0 };
      for (const [index, step] of steps.entries()) {
        take(step, box, model, `message ${index}`);
        expect(box.isRunning && !box.isGone).toBe(model.running !== undefined && !model.isGone);
        expect(box.isGone).toBe(model.isGone);
        expect(box.waiting).toBe(model.waiting.length);
      }
      expect(model.releases).toBeLessThanOrEqual(1);
    }),
    { numRuns: 2_000 },
  );
});

// Found by the property: the second one was refused, and the third one ran.
test("what comes while the turn runs that asks to stay is run behind it", () => {
  const box = mailbox();
  const [first, second, third] = [message("first"), message("second"), message("third")];
  box.push(first);
  box.begin();
  box.leave(false);
  box.push(second);
  box.stay(1, 0);
  box.done(first, false);
  box.push(third);
  expect([box.begin(), box.release()]).toEqual([second, false]);
});

// What was refused or dropped goes to another worker, with all that came behind it.
test("once an event was refused or dropped, no later one runs, however it leaves and stays", () => {
  const steps = fc.constantFrom<Step>(...often, "stay", "stay", "stay", "leave", "leave", "endStay", "leaveForGood", "release");
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60, size: "max" }), (taken) => {
      const box = mailbox();
      const came: MailboxEvent[] = [];
      const ran: MailboxEvent[] = [];
      let running: MailboxEvent | undefined;
      for (const [index, step] of taken.entries()) {
        if (step === "push") box.push(came[came.push(message(`message ${index}`)) - 1] as MailboxEvent);
        else if (step === "leave" || step === "leaveForGood") box.leave(step === "leaveForGood");
        else if (step === "endStay") box.endStay();
        else if (step === "release") box.release();
        else if (step === "stay" && running !== undefined) box.stay(1, 0);
        else if (step === "done" && running !== undefined) {
          box.done(running, false);
          running = undefined;
        } else if (step === "begin" && running === undefined) {
          running = box.begin();
          if (running !== undefined) ran.push(running);
        }
      }
      expect(ran).toEqual(came.slice(0, ran.length));
    }),
    { numRuns: 2_000 },
  );
});

function take(step: Step, box: Mailbox, model: Model, name: string): void {
  switch (step) {
    case "push":
    case "close": {
      const event = step === "close" ? { ...close } : message(name);
      box.push(event);
      const isTaken = model.hasLeft ? model.running !== undefined || model.stays : !model.hasClosed || step === "close";
      if (!model.isGone && isTaken) model.waiting.push(event);
      return;
    }
    case "begin": {
      const expected = model.isGone || model.running !== undefined ? undefined : model.waiting.shift();
      expect(box.begin()).toBe(expected);
      model.running ??= expected;
      return;
    }
    case "done":
    case "doneCloses": {
      if (model.running === undefined || model.isGone) return;
      const closes = step === "doneCloses";
      box.done(model.running, closes);
      if (model.running.type === toWorker.close) model.isGone = true;
      model.running = undefined;
      if (closes) {
        model.hasClosed = true;
        model.stays = false;
        model.waiting = model.waiting.filter(({ type }) => type === toWorker.close).slice(0, 1);
      }
      return dropUnlessStaying(model);
    }
    case "leave":
    case "leaveForGood":
      box.leave(step === "leaveForGood");
      model.hasLeft = true;
      if (step === "leaveForGood") endStay(model);
      return dropUnlessStaying(model);
    case "stay":
      // A turn asks for it.
      if (model.running === undefined || model.isGone) return;
      box.stay(1, 0);
      model.stays ||= !model.hasLeft || !model.hasStayed;
      return;
    case "endStay":
      box.endStay();
      endStay(model);
      return dropUnlessStaying(model);
    case "release": {
      const expected = model.hasLeft && model.running === undefined && !model.stays && !model.isGone;
      expect(box.release()).toBe(expected);
      if (!expected) return;
      model.isGone = true;
      model.releases++;
      return;
    }
    case "forget":
      box.forget();
      model.isGone = true;
      model.waiting = [];
  }
}

function endStay(model: Model): void {
  model.stays = false;
  model.hasStayed ||= model.hasLeft;
}

function dropUnlessStaying(model: Model): void {
  if (!model.hasLeft || model.running !== undefined || model.stays || model.isGone) return;
  model.waiting = [];
}

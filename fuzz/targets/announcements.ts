// Announcements: hellos with any content, goodbyes, and bytes that are nearly one. What an operator may ask for is left out: an
// activation, and the goodbye of a process that lives.

import fc from "fast-check";
import { pack } from "msgpackr";
import { gatewayHello, workerHello } from "../peer.ts";
import { target } from "../target.ts";

/** Few: who says hello is remembered for a while. */
const id = fc.constantFrom("fuzza", "fuzzb", "fuzz-c", "fuzz-d");
const value = fc.anything({ maxDepth: 3, withBigInt: false });
const number = fc.oneof(fc.nat(), fc.double(), fc.constantFrom(-1, Number.MAX_SAFE_INTEGER));
const text = fc.string({ maxLength: 60, unit: "binary" });
const counts = fc.dictionary(text, number, { maxKeys: 4 });

const route = fc.record({
  path: fc.oneof(fc.constantFrom("/echo", "/:a/*", "//", "/a/:", ""), text),
  origins: fc.option(fc.array(text, { maxLength: 3 }), { nil: undefined }),
  subprotocols: fc.array(text, { maxLength: 3 }),
  ...{ upgrades: fc.boolean(), answers: fc.boolean(), adopts: fc.boolean() },
});

/** Any of these fields with any content, most of them right. */
const fields = fc.record(
  {
    state: fc.constantFrom("ready", "draining", "asleep"),
    protocol: fc.constantFrom(0, 1, 2, 1.5),
    host: text,
    routes: fc.oneof(fc.array(route, { maxLength: 4 }), counts),
    connections: number,
    counts: fc.record({ turns: number, thrown: number, timedOut: number, answers: number, failed: number }),
    reconnects: number,
    metrics: fc.boolean(),
    onStart: fc.record({ phase: fc.constantFrom("off", "starting", "on", "ending", "x"), failed: number }),
    stateCheck: fc.record({ number, isDone: fc.boolean(), tried: number, unfit: fc.array(value, { maxLength: 2 }) }),
    ...{ port: number, adminPort: number, startedAt: number, parked: number, messagesIn: number, messagesOut: number },
    ...{ draining: fc.boolean(), tellsStates: fc.boolean(), serving: fc.boolean(), pins: counts },
    silent: fc.dictionary(text, fc.record({ routes: counts, connections: fc.array(text, { maxLength: 3 }), asked: counts }), {
      maxKeys: 2,
    }),
    handover: fc.record({
      ...{ generation: number, before: number, remaining: number, moved: number, parked: number, redelivered: number },
      ...{ pauses: fc.array(number, { maxLength: 40 }), longestPauseMs: number },
    }),
    any: value,
  },
  { requiredKeys: [] },
);

const announcement = fc.oneof(
  fc.tuple(id, fields).map(([who, more]) => ({ ...workerHello(who), ...more })),
  fc.tuple(id, fields).map(([who, more]) => ({ ...gatewayHello(who), ...more })),
  fc.constant({ kind: "ask" }),
  fc.tuple(id, fc.constantFrom("bye", "exited", "x")).map(([who, reason]) => ({ kind: "gone", id: who, reason })),
  fc.tuple(fc.oneof(id, text), number, fc.array(text, { maxLength: 3 })).map(([worker, asked, gateways]) => ({
    ...{ kind: "checkStates", worker, number: asked, gateways },
  })),
  fc.record({ kind: fc.constantFrom("worker", "gateway", "nobody"), any: value }),
);

export const announcements = target({
  name: "announcements",
  title: "announcements",
  cases: 200,
  arbitrary: fc.record({
    body: announcement,
    version: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, fc.nat({ max: 255 })),
    letter: fc.oneof({ weight: 8, arbitrary: fc.constant(0x4d) }, fc.nat({ max: 255 })),
    cut: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
  }),
  strike: async ({ bus, subjects }, { body, version, letter, cut }) => {
    const packed = packedOrNot(body);
    const bytes = Buffer.concat([Buffer.from([version, letter]), packed]);
    bus.publish(subjects.members, bytes.subarray(0, Math.ceil(cut * bytes.length)));
    await bus.flush();
  },
});

/** A symbol or a function has no msgpack: any bytes do. */
function packedOrNot(body: unknown): Uint8Array {
  try {
    return pack(body);
  } catch {
    return Buffer.from("no msgpack");
  }
}

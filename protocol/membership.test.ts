import fc from "fast-check";
import { pack } from "msgpackr";
import { describe, expect, test } from "vitest";
import { isCodedError } from "./errors.ts";
import { type Announcement, decodeAnnouncement, encodeAnnouncement, laterActivation } from "./membership.ts";

const worker: Announcement = {
  kind: "worker",
  id: "w1",
  pid: 7,
  host: "",
  protocol: 1,
  release: "3",
  state: "ready",
  routes: [{ path: "/echo", origins: ["*"], subprotocols: ["v1"], upgrades: false, answers: true, adopts: false }],
  connections: 2,
  activation: { release: "3", generation: 4 },
};

const gateway: Announcement = {
  kind: "gateway",
  id: "g1",
  pid: 8,
  host: "127.0.0.1",
  protocol: 1,
  port: 8080,
  adminPort: 9090,
  startedAt: 1_700_000_000_000,
  connections: 3,
  parked: 0,
  messagesIn: 10,
  messagesOut: 9,
  serving: true,
  routes: { "/chat/:room": 3 },
  pins: { w1: 3 },
  handover: {
    generation: 4,
    before: 3,
    remaining: 0,
    moved: 3,
    parked: 1,
    redelivered: 0,
    pauses: [0, 3],
    longestPauseMs: 0.5,
  },
};

const announcements: Announcement[] = [
  worker,
  gateway,
  { kind: "ask" },
  { kind: "activate", activation: { release: "4", generation: 5 } },
  { kind: "gone", id: "w1", reason: "exited" },
];

function encode(body: unknown): Uint8Array {
  return encodeAnnouncement(body as Announcement);
}

function refusal(bytes: Uint8Array): string | undefined {
  try {
    decodeAnnouncement(bytes);
    return undefined;
  } catch (error) {
    if (isCodedError(error)) return error.code;
    throw error;
  }
}

test.each(announcements.map((body) => [body.kind, body] as const))("%s is decoded as it was encoded", (_, body) => {
  expect(decodeAnnouncement(encodeAnnouncement(body))).toEqual(body);
});

test("in literal bytes: version, the letter M, msgpack", () => {
  expect(Buffer.from(encodeAnnouncement({ kind: "ask" })).toString("hex")).toBe(
    ["01", "4d", "de0001", "a4", Buffer.from("kind").toString("hex"), "a3", Buffer.from("ask").toString("hex")].join(""),
  );
});

test("fields that a later release may add are ignored", () => {
  expect(decodeAnnouncement(encode({ kind: "ask", because: "I am new" }))).toEqual({ kind: "ask" });
});

describe("what is no announcement is refused with a code, and with nothing else", () => {
  test.each([
    ["nothing", new Uint8Array(0), "envelope.malformed"],
    ["two bytes", new Uint8Array([1, 0x4d]), "envelope.malformed"],
    ["a batch", new Uint8Array([1, 0x42, 0xc0]), "envelope.malformed"],
    ["another version", new Uint8Array([2, 0x4d, 0xc0]), "envelope.version"],
    ["no msgpack", new Uint8Array([1, 0x4d, 0xa5, 0x61]), "envelope.malformed"],
    ["two values", Buffer.concat([encode({ kind: "ask" }), pack(1)]), "envelope.malformed"],
    ["null", encode(null), "envelope.malformed"],
    ["a list", encode([]), "envelope.malformed"],
    ["no kind", encode({}), "envelope.malformed"],
    ["an unknown kind", encode({ kind: "king" }), "envelope.malformed"],
    ["a worker without routes", encode({ ...worker, routes: undefined }), "envelope.malformed"],
    ["a worker in an unknown state", encode({ ...worker, state: "asleep" }), "envelope.malformed"],
    ["an id with a dot, which would be two tokens of a subject", encode({ ...worker, id: "w.1" }), "envelope.malformed"],
    ["an id that is a wildcard", encode({ ...worker, id: ">" }), "envelope.malformed"],
    ["an id that is too long", encode({ ...worker, id: "w".repeat(65) }), "envelope.malformed"],
    ["pins that are a list", encode({ ...gateway, pins: ["w1"] }), "envelope.malformed"],
    ["a generation of 0", encode({ kind: "activate", activation: { release: "1", generation: 0 } }), "envelope.malformed"],
    ["half a generation", encode({ kind: "activate", activation: { release: "1", generation: 1.5 } }), "envelope.malformed"],
    ["no release", encode({ kind: "activate", activation: { release: "", generation: 1 } }), "envelope.malformed"],
    ["an unknown reason", encode({ kind: "gone", id: "w1", reason: "bored" }), "envelope.malformed"],
  ])("%s", (_, bytes, code) => {
    expect(refusal(bytes)).toBe(code);
  });

  test("any bytes, and any value in the right wrapping", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.anything(), (bytes, value) => {
        expect(refusal(bytes)).toMatch(/^envelope\./);
        expect(refusal(Buffer.concat([Buffer.from([1, 0x4d]), bytes]))).toBe("envelope.malformed");
        expect(refusal(Buffer.concat([Buffer.from([1, 0x4d]), pack(value)]))).toBe("envelope.malformed");
      }),
      { numRuns: 1_000 },
    );
  });

  test("an announcement with any of its bytes changed, or one that was let through", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...announcements),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (body, changes) => {
          const bytes = Buffer.from(encodeAnnouncement(body));
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          expect([undefined, "envelope.malformed", "envelope.version"]).toContain(refusal(bytes));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

test("of two activations the higher generation wins, and the one that was there where they are equal", () => {
  const old = { release: "1", generation: 1 };
  const young = { release: "2", generation: 2 };
  expect(laterActivation(undefined, undefined)).toBeUndefined();
  expect(laterActivation(old, undefined)).toBe(old);
  expect(laterActivation(undefined, old)).toBe(old);
  expect(laterActivation(old, young)).toBe(young);
  expect(laterActivation(young, old)).toBe(young);
  expect(laterActivation(old, { release: "2", generation: 1 })).toBe(old);
});

test("a generation far ahead of what is known is no later one, and the next deploy goes on behind any that was taken", () => {
  const known = { release: "1", generation: 7 };
  const forged = (generation: number) => ({ release: "forged", generation });
  expect(laterActivation(known, forged(2 ** 52))).toBe(known);
  expect(laterActivation(known, forged(known.generation + 2 ** 20 + 1))).toBe(known);
  expect(laterActivation(undefined, forged(2 ** 52))).toBeUndefined();
  for (const first of [forged(2 ** 52 - 2 ** 40), laterActivation(known, forged(1_000_000))]) {
    const taken = laterActivation(undefined, first);
    const next = { release: "2", generation: (taken?.generation ?? 0) + 1 };
    expect(laterActivation(taken, next)).toBe(next);
    expect(decodeAnnouncement(encodeAnnouncement({ kind: "activate", activation: next }))).toMatchObject({ activation: next });
  }
});

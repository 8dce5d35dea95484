import { expect, test } from "vitest";
import { parseCommand } from "./commands.ts";
import { packValue } from "./msgpack.ts";
import { parsePipe } from "./pipe-records.ts";
import { parseCount, parseSlot, parseUpgraded } from "./records.ts";
import { parseSession } from "./session.ts";

test("a slot to go on from is a whole number from 0", () => {
  expect(parseSlot(packValue(0))).toBe(0);
  expect(parseSlot(packValue(4_294_967_295))).toBe(4_294_967_295);
  // To count up from -1e300 takes for ever: adding 1 to it changes nothing.
  for (const wrong of [-1, -1e300, 0.5, Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, "1", null]) {
    expect(() => parseSlot(packValue(wrong)), String(wrong)).toThrow("envelope.malformed");
  }
});

test("a command publishes to what can be a topic", () => {
  const publish = (topic: string) => packValue({ kind: "publish", topic, data: new Uint8Array(), binary: false });
  expect(parseCommand(publish("room:é"))).toMatchObject({ topic: "room:é" });
  // An empty one would be a subject with an empty token, which NATS refuses to everybody.
  for (const wrong of ["", "x".repeat(257)]) expect(() => parseCommand(publish(wrong)), wrong).toThrow("envelope.malformed");
});

test("a count is any number", () => {
  expect(parseCount(packValue(3))).toBe(3);
  expect(() => parseCount(packValue("3"))).toThrow("envelope.malformed");
});

test("an upgrade is for a session whose key can be part of a subject", () => {
  const upgraded = (session?: string) => packValue({ ok: true, headers: [], ...(session !== undefined && { session }) });
  expect(parseUpgraded(upgraded("é"))).toMatchObject({ session: "é" });
  expect(parseUpgraded(upgraded())).not.toHaveProperty("session");
  // NATS cuts off whoever publishes to a subject that is too long, or has an empty token.
  for (const wrong of ["", "x".repeat(129), "é".repeat(65)])
    expect(() => parseUpgraded(upgraded(wrong)), wrong).toThrow("envelope.malformed");
});

test("what a gateway keeps of a record does not keep its whole batch", () => {
  const few = new Uint8Array(3);
  const answer = { status: 404, headers: [], body: few };
  const receive = { status: 200, headers: [], mode: "poll", maxBytes: 9, missing: answer, busy: { response: answer } };
  const open = { kind: "open", key: "k", state: few, expiresAt: 0, idleMs: 9, linger: { ms: 9, repeatLast: false }, receive };
  const session = parseSession(packValue(open));
  if (session.kind !== "open" || session.receive.missing === "again") throw new Error("it is another one");
  const upgraded = parseUpgraded(packValue({ ok: true, headers: [], state: few }));
  if (!upgraded.ok) throw new Error("it is refused");
  const pipe = parsePipe(packValue({ key: "k", path: "/", query: "", ip: "::1", subprotocol: "", expiresAt: 0, state: few }));
  const kept = [upgraded.state, session.state, session.receive.missing.body, session.receive.busy.response?.body, pipe.state];
  expect(kept.map((bytes) => bytes?.buffer.byteLength)).toEqual([3, 3, 3, 3, 3]);
});

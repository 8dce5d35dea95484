// Payloads that are for the other peer alone. Source: the WAMP protocol, "Payload Passthru Mode".

import { expect, test } from "vitest";
import { type TestApp, testHandler } from "../../../testing.ts";
import { type Dict, type } from "../messages/messages.ts";
import { WireSession } from "../testing/wire-session.ts";
import { wamp } from "../wamp.ts";
import type { State } from "./session.ts";

const opaque = { ppt_scheme: "x_mine", ppt_serializer: "cbor" };
const announced = { features: { payload_passthru_mode: true } };
const roles = { publisher: announced, subscriber: announced, caller: announced, callee: announced };
const start = async () => (await testHandler(wamp({ path: "/ws", realms: ["realm1"] }))) as unknown as TestApp<State>;

test("who has announced it may use it, and the other side is told", async () => {
  const app = await start();
  const [one, other] = [await WireSession.join(app, { details: { roles } }), await WireSession.join(app, { details: { roles } })];
  await other.ask(type.SUBSCRIBE, {}, "com.example.topic");
  await one.ask(type.PUBLISH, { ...opaque, acknowledge: true }, "com.example.topic", ["sealed"]);
  expect((await other.next(type.EVENT)).slice(3)).toEqual([opaque, ["sealed"]]);
  await other.ask(type.REGISTER, {}, "com.example.procedure");
  await one.send([type.CALL, 9, opaque, "com.example.procedure", ["sealed"]]);
  const [, invocation, , details, args] = await other.next(type.INVOCATION);
  expect([details, args]).toEqual([opaque, ["sealed"]]);
  await other.send([type.YIELD, invocation, opaque, ["too"]]);
  expect(await one.next(type.RESULT)).toEqual([type.RESULT, 9, opaque, ["too"]]);
});

test.each([
  ["CALL", [type.CALL, 1, opaque, "com.example.procedure"]],
  ["PUBLISH", [type.PUBLISH, 1, opaque, "com.example.topic"]],
  ["YIELD", [type.YIELD, 1, opaque]],
])("who has not announced it breaks the protocol with it: %s", async (_, message) => {
  const session = await WireSession.join(await start());
  await session.send(message);
  const [code, { message: why }, reason] = session.messages.at(-1) as unknown as [number, Dict, string];
  expect([code, reason]).toEqual([type.ABORT, "wamp.error.protocol_violation"]);
  expect(why).toContain("payload_passthru_mode");
});

test("where one of the two does not take it, the caller is told", async () => {
  const app = await start();
  const [plain, able] = [await WireSession.join(app), await WireSession.join(app, { details: { roles } })];
  await plain.ask(type.REGISTER, {}, "com.example.plain");
  await able.ask(type.REGISTER, {}, "com.example.able");
  await able.send([type.CALL, 8, opaque, "com.example.plain"]);
  const refused = [type.ERROR, type.CALL, 8, {}, "wamp.error.feature_not_supported", [expect.stringContaining("ppt_scheme")]];
  expect(await able.next(type.ERROR)).toEqual(refused);
  await plain.send([type.CALL, 8, {}, "com.example.able"]);
  const [, invocation] = await able.next(type.INVOCATION);
  await able.send([type.YIELD, invocation, opaque]);
  expect(await plain.next(type.ERROR)).toEqual(refused);
});

test("WELCOME announces it", async () => {
  const session = await WireSession.join(await start());
  const [, , { roles: offered }] = session.messages[0] as unknown as [number, number, { roles: Record<string, typeof announced> }];
  expect(offered).toMatchObject({ broker: announced, dealer: announced });
});

// Records that gateways and workers send each other, made up: nearly right ones, and any bytes.

import fc from "fast-check";
import { packValue } from "../protocol/msgpack.ts";
import { encodeClose, encodePublish, encodePublishExcept, encodePublished } from "../protocol/payloads.ts";
import { toGateway, toWorker } from "../protocol/records.ts";
import { encodeTogether } from "../protocol/together.ts";
import type { MadeUpRecord } from "./peer.ts";

const bytes = fc.uint8Array({ maxLength: 200 });
const value = fc.anything({ maxDepth: 3, withBigInt: false, withDate: false, withMap: false, withSet: false, withTypedArray: true });
const text = fc.string({ maxLength: 40, unit: "binary" });
const path = fc.oneof(fc.constantFrom("/echo", "/everything/a", "/nobody"), text);
const query = fc.oneof(fc.constantFrom("", "user=x"), text);
const address = fc.constantFrom("127.0.0.1", "::1", "");
const headers = fc.array(fc.tuple(fc.oneof(fc.constantFrom("cookie", "content-type", "host"), text), text), { maxLength: 4 });
const count = fc.oneof(fc.nat({ max: 10 }), fc.double(), fc.integer());

/** Each with some field missing or of another kind, now and then. */
function body(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Uint8Array> {
  const right = Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, fc.oneof({ weight: 15, arbitrary: field }, value)]),
  );
  return fc.record(right, { requiredKeys: [] }).map(pack);
}

/** What cannot be packed is any value's fault, not the wire's. */
function pack(any: unknown): Uint8Array {
  try {
    return packValue(any);
  } catch {
    return new Uint8Array();
  }
}

const pin = fc.record({
  ...{ id: text, path, query, ip: address, user: fc.constant("u"), subprotocol: fc.constant("") },
  ...{ state: value.map(pack), topics: fc.array(text, { maxLength: 3 }), next: count },
});

const whole = {
  pin: fc.oneof(
    { weight: 5, arbitrary: pin.map(pack) },
    body({ id: text, path, query, ip: address, subprotocol: text, topics: fc.array(text), next: count }),
  ),
  upgrade: body({ path, query, ip: address, headers, redelivered: fc.boolean() }),
  request: body({ method: fc.constantFrom("GET", "POST", "x"), path, query, ip: address, headers, body: bytes, redelivered: fc.boolean() }),
  upgraded: body({ ok: fc.boolean(), user: text, state: bytes, subprotocol: text, headers, status: count, body: bytes }),
  responded: body({ status: count, headers, body: bytes, length: count }),
  states: body({ states: fc.array(fc.record({ path, state: bytes })), next: count, open: fc.array(value) }),
  command: fc
    .tuple(
      fc.constantFrom("publish", "send", "sendToUser", "closeUser", "connections", "userConnections", "members", "lock"),
      text,
      bytes,
      count,
    )
    .chain(([kind, name, data, number]) =>
      body({
        ...{ kind: fc.constant(kind), topic: fc.constant(name), connection: fc.constant(name), user: fc.constant(name) },
        ...{
          data: fc.constant(data),
          binary: fc.boolean(),
          together: fc.boolean(),
          code: fc.constant(number),
          reason: text,
          from: fc.constant(number),
          after: fc.constant(number),
          name: fc.constant(name),
          waitMs: fc.constant(number),
        },
      }),
    ),
  close: fc.tuple(fc.nat({ max: 65_535 }), bytes).map(([code, reason]) => encodeClose(code, reason)),
  publish: fc.tuple(text, bytes).map(([topic, data]) => encodePublish(topic, data)),
  publishExcept: fc.tuple(text, bytes, fc.array(text, { maxLength: 3 })).map(([topic, data, ids]) => encodePublishExcept(topic, data, ids)),
  published: fc.tuple(count, text, bytes).map(([number, topic, data]) => encodePublished(number, topic, data)),
  heartbeat: body({ every: fc.integer({ min: 50, max: 200 }), send: text, expect: text, within: count, close: value }),
  together: fc.array(fc.record({ data: bytes, isBinary: fc.boolean() }), { maxLength: 4 }).map(encodeTogether),
  text: text.map((topic) => Buffer.from(topic)),
  number: count.map(pack),
};

/** What each type has as its payload; the others have any bytes. */
const payloads: Readonly<Record<number, fc.Arbitrary<Uint8Array>>> = {
  [toWorker.pin]: whole.pin,
  [toWorker.close]: whole.close,
  [toWorker.published]: whole.published,
  [toWorker.upgrade]: whole.upgrade,
  [toWorker.request]: whole.request,
  [toWorker.result]: fc.oneof(whole.number, whole.states),
  [toWorker.credit]: whole.number,
  [toWorker.states]: whole.states,
  [toGateway.publish]: whole.publish,
  [toGateway.publishExcept]: whole.publishExcept,
  [toGateway.publishTogether]: fc
    .tuple(text, whole.together, fc.array(text, { maxLength: 3 }))
    .map(([topic, data, ids]) => encodePublishExcept(topic, data, ids)),
  [toGateway.sendTogether]: whole.together,
  [toGateway.member]: whole.publish,
  [toGateway.noTimer]: whole.text,
  [toGateway.heartbeat]: whole.heartbeat,
  [toGateway.keepLock]: whole.text,
  [toGateway.unlock]: whole.text,
  [toGateway.subscribe]: whole.text,
  [toGateway.subscribeHook]: whole.text,
  [toGateway.unsubscribe]: whole.text,
  [toGateway.upgraded]: whole.upgraded,
  [toGateway.responded]: whole.responded,
  [toGateway.command]: whole.command,
  [toGateway.responding]: whole.responded,
  [toGateway.askStates]: whole.number,
  [toGateway.gatewayLostHandled]: whole.number,
};

/** @param types The record types to make up. @param mayName Whether they may name others' connections. */
export function madeUpRecord(types: readonly number[], mayName: boolean): fc.Arbitrary<MadeUpRecord> {
  const type = fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...types) }, fc.nat({ max: 255 }));
  return type.chain((chosen) =>
    fc.record({
      type: fc.constant(chosen),
      flags: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1, 2) }, fc.nat({ max: 255 })),
      extra: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1000) }, fc.nat({ max: 65_535 })),
      // Few, so that records meet.
      slot: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 3 }) }, fc.nat({ max: 2 ** 32 - 1 })),
      epoch: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 1 }) }, fc.nat({ max: 2 ** 32 - 1 })),
      stolen: mayName ? fc.option(fc.nat({ max: 31 }), { nil: undefined }) : fc.constant(undefined),
      payload: fc.oneof({ weight: 8, arbitrary: payloads[chosen] ?? bytes }, bytes),
    }),
  );
}

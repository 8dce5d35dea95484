// Packets as they are in Socket.IO's protocol, and all that is none.

import fc from "fast-check";
import { expect, test } from "vitest";
import { attachmentsOf, decodePacket, encodePacket, packetType } from "./packet.ts";

const bytes = new Uint8Array([1, 2, 3]);

test.each([
  ["0", { type: packetType.connect, nsp: "/" }],
  ['0{"token":"1"}', { type: packetType.connect, nsp: "/", data: { token: "1" } }],
  ["0/admin,", { type: packetType.connect, nsp: "/admin" }],
  ['0/admin,{"a":1}', { type: packetType.connect, nsp: "/admin", data: { a: 1 } }],
  ["1/admin,", { type: packetType.disconnect, nsp: "/admin" }],
  ['2["hi",1]', { type: packetType.event, nsp: "/", data: ["hi", 1] }],
  ['2/admin,12["hi"]', { type: packetType.event, nsp: "/admin", id: 12, data: ["hi"] }],
  ["3/admin,7[]", { type: packetType.ack, nsp: "/admin", id: 7, data: [] }],
])("%s", (text, packet) => {
  expect(decodePacket(text)).toEqual(packet);
  expect(encodePacket(packet)).toEqual({ text, attachments: [] });
});

test("bytes are attachments, wherever they are", () => {
  const packet = { type: packetType.event, nsp: "/a", id: 1, data: ["put", { deep: [bytes] }, bytes] };
  const text = '52-/a,1["put",{"deep":[{"_placeholder":true,"num":0}]},{"_placeholder":true,"num":1}]';
  expect(encodePacket(packet)).toEqual({ text, attachments: [bytes, bytes] });
  expect(attachmentsOf(text)).toBe(2);
  // As from Socket.IO's own server: Buffers.
  const buffer = Buffer.from(bytes);
  expect(decodePacket(text, [bytes, bytes])).toEqual({ ...packet, data: ["put", { deep: [buffer] }, buffer] });
});

test("bytes beside a key that a client calls toJSON are attachments, too", () => {
  const data = ["put", { toJSON: 1, bytes }];
  const { text, attachments } = encodePacket({ type: packetType.event, nsp: "/", data });
  expect(attachments).toEqual([bytes]);
  expect(decodePacket(text, attachments).data).toEqual(["put", { toJSON: 1, bytes: Buffer.from(bytes) }]);
});

test("a payload is what JSON.stringify makes of it", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
          fc.jsonValue(),
          fc.constant(undefined),
        ),
      ),
      (data) => {
        expect(encodePacket({ type: packetType.event, nsp: "/", data }).text).toBe(`2${JSON.stringify(data)}`);
      },
    ),
  );
  const texts = ["x".repeat(300), 'a "quote"', "back\\slash", "\u0000\u001f\u007f", "\ud800", "\u2028 é 🎉", () => 1, -0, Number.NaN];
  expect(encodePacket({ type: packetType.ack, nsp: "/", id: 1, data: texts }).text).toBe(`31${JSON.stringify(texts)}`);
});

test("a namespace without a comma behind it, as some clients send it", () => {
  expect(decodePacket("0/admin")).toEqual({ type: packetType.connect, nsp: "/admin" });
});

test.each([
  "",
  "x",
  "7[]",
  "2",
  "2{}",
  "2[]",
  '2[{"a":1}]',
  '2["disconnect"]',
  '2["connect_error"]',
  '2abc["hi"]',
  "2[",
  "0[]",
  "0null",
  '1"x"',
  "3{}",
  '4{"message":"no"}',
  "51-",
  `2${"[".repeat(200_000)}`,
  `2["hi",${"[".repeat(201)}${"]".repeat(201)}]`,
  `0{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
  '2["hi",{"__proto__":',
])("no packet: %s", (text) => {
  expect(() => decodePacket(text)).toThrow(/^message\.(invalid|notJson): /);
});

test.each(["5", "5-", '5["hi"]', '511-["hi"]', '5x-["hi"]'])("attachments that cannot be: %s", (text) => {
  expect(() => attachmentsOf(text)).toThrow(/^message\.invalid: /);
});

test("an attachment that is not there", () => {
  expect(() => decodePacket('51-["hi",{"_placeholder":true,"num":1}]', [bytes])).toThrow("there is no attachment 1");
});

test("arguments have to fit on a stack: listeners are called with all of them", () => {
  const more = (count: number) => ",1".repeat(count);
  expect(decodePacket(`2["hi"${more(9_999)}]`).data).toHaveLength(10_000);
  for (const text of [`2["hi"${more(10_000)}]`, `31[1${more(10_000)}]`])
    expect(() => decodePacket(text)).toThrow("is no payload of a packet of type");
});

test("an attachment has one place: sent on, it would be sent as often as a client has said", () => {
  const places = (count: number) => `51-["hi",${Array(count).fill('{"_placeholder":true,"num":0}').join()}]`;
  expect(decodePacket(places(1), [bytes]).data).toEqual(["hi", Buffer.from(bytes)]);
  expect(() => decodePacket(places(2), [bytes])).toThrow("message.invalid: an attachment has one place");
});

test("nobody gets a prototype that a client has chosen", () => {
  const { data } = decodePacket('2["hi",{"__proto__":{"admin":true},"\\u005f_proto__":1}]');
  expect(data).toEqual(["hi", {}]);
});

test.each(['"__proto__"', '"map"', '"length"', "-1", "0.5", "null"])("an attachment whose number is %s is none", (num) => {
  expect(() => decodePacket(`51-["x",{"_placeholder":true,"num":${num}},"__proto__"]`, [bytes])).toThrow("there is no attachment");
  const data = ["x", { _placeholder: true, num: JSON.parse(num) }];
  expect(decodePacket(`2${JSON.stringify(data)}`).data).toEqual(data);
});

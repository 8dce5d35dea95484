import { expect, test } from "vitest";
import { isCodedError } from "../protocol/errors.ts";
import { ReceivedMessage } from "./message.ts";

test("text, JSON and bytes of one message", () => {
  const message = new ReceivedMessage(Buffer.from('{"a":"é"}'), false);
  expect(message.text()).toBe('{"a":"é"}');
  expect(message.json()).toEqual({ a: "é" });
  expect(message.bytes()).toEqual(new Uint8Array(Buffer.from('{"a":"é"}')));
});

test("within a string, and within a value, a message is its text", () => {
  const message = new ReceivedMessage(Buffer.from("hé"), false);
  expect(`you said ${message}`).toBe("you said hé");
  expect(JSON.stringify({ message })).toBe('{"message":"hé"}');
});

test("what is not JSON is a coded error with the parser's own words as its cause", () => {
  const message = new ReceivedMessage(Buffer.from("{a}"), false);
  const thrown = (() => {
    try {
      return message.json();
    } catch (error) {
      return error;
    }
  })();
  expect(isCodedError(thrown, "message.notJson")).toBe(true);
  expect((thrown as Error).cause).toBeInstanceOf(SyntaxError);
});

test("bytes are the caller's own", () => {
  const message = new ReceivedMessage(Buffer.from([1, 2]), true);
  message.bytes().fill(9);
  expect([...message.bytes()]).toEqual([1, 2]);
});

test("own takes a message out of its batch", () => {
  const batch = Buffer.from("..kept..");
  const message = new ReceivedMessage(batch.subarray(2, 6), false);
  message.detach();
  batch.fill(0);
  expect(message.text()).toBe("kept");
});

test("text is what the bytes say, a byte order mark and what is no UTF-8 included", () => {
  for (const bytes of [[0xef, 0xbb, 0xbf, 0x61], [0x61, 0xff, 0xe2, 0x82, 0x62], [], [0xc3, 0xa4, 0xf0, 0x9f, 0x92, 0xa9]]) {
    const around = Buffer.from([0x2a, ...bytes, 0x2a]);
    const message = new ReceivedMessage(around.subarray(1, -1), false);
    expect(message.text()).toBe(Buffer.from(bytes).toString("utf8"));
  }
});

test.each([
  ['{"__proto__": {"isAdmin": true}, "a": [{"b": 1, "__proto__": {"c": 2}}]}', { a: [{ b: 1 }] }],
  ['{"\\u005f_proto_\\u005F": {"isAdmin": true}, "a": "\\u00e9"}', { a: "é" }],
  ['{"a": "__proto__"}', { a: "__proto__" }],
  ['{"__proto__": [{"__proto__": 1}], "a": [[{"b": [null, {"__proto__": null}]}]]}', { a: [[{ b: [null, {}] }]] }],
])("no handler sees a __proto__ that a client has chosen: %s", (text, value) => {
  const json = new ReceivedMessage(Buffer.from(text), false).json() as object;
  expect(json).toEqual(value);
  expect(Object.hasOwn(json, "__proto__")).toBe(false);
  expect(Object.assign({}, json)).not.toHaveProperty("isAdmin");
});

test("an escape costs no depth: what would overflow a stack is read as without one", () => {
  const nested = "[".repeat(100_000) + "]".repeat(100_000);
  let value = new ReceivedMessage(Buffer.from(`["\\u0041",${nested}]`), false).json() as unknown[];
  expect(value.shift()).toBe("A");
  let depth = 0;
  for (; value.length > 0; depth++) value = value[0] as unknown[];
  expect(depth).toBe(100_000);
});

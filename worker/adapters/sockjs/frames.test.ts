// Frames, literally: what sockjs-client reads and writes.

import { expect, test } from "vitest";
import { ReceivedMessage } from "../../adapter.ts";
import { closeFrame, messageFrame, messagesOfFrame, parseMessages, TextMessage } from "./frames.ts";

test.each([
  ["hi", 'a["hi"]'],
  ['a "quoted" \\', 'a["a \\"quoted\\" \\\\"]'],
  [{ room: "blue", n: 1 }, 'a["{\\"room\\":\\"blue\\",\\"n\\":1}"]'],
  [7, 'a["7"]'],
  [null, 'a["null"]'],
  [new TextMessage("echo"), 'a["echo"]'],
  ["\n\u0000\u001f", 'a["\\n\\u0000\\u001f"]'],
  // What browsers and proxies mangle, and a half of a surrogate pair.
  ["\u200c\u2028\u206f\ufff0\uffff", 'a["\\u200c\\u2028\\u206f\\ufff0\\uffff"]'],
  ["\ud800", 'a["\\ud800"]'],
  ["äöü 😀", 'a["äöü 😀"]'],
])("%j is sent as %s", (data, frame) => {
  expect(messageFrame(data)).toBe(frame);
});

test.each([new Uint8Array(2), new ArrayBuffer(2), new ReceivedMessage(Buffer.of(1), true)])("bytes are refused", (data) => {
  expect(() => messageFrame(data)).toThrowError(expect.objectContaining({ code: "send.invalid" }));
});

test("a frame's messages are those that it was made of", () => {
  expect(messagesOfFrame(messageFrame("hi"))).toEqual(["hi"]);
  expect(messagesOfFrame('a["x","y"]')).toEqual(["x", "y"]);
  expect(messagesOfFrame("o")).toEqual([]);
  expect(messagesOfFrame("something that another program has published")).toEqual([]);
});

test.each([
  ['["a"]', ["a"]],
  ['["a","b"]', ["a", "b"]],
  ['"a"', ["a"]],
  ["[]", []],
  ["", []],
  ['["\\ud800"]', ["\ud800"]],
])("a client's %s is %j", (body, messages) => {
  expect(parseMessages(body)).toEqual(messages);
});

test.each(['["a', "a", "[1]", '[["a"]]', "{}", "null", '["a",null]'])("a client's %s is broken", (body) => {
  expect(parseMessages(body)).toBeUndefined();
});

test("a close tells code and reason", () => {
  expect(closeFrame(3000, "Go away!")).toBe('c[3000,"Go away!"]');
});

test("a message is text, JSON and bytes, as any other is", () => {
  const message = new TextMessage('{"a":1,"__proto__":{"b":2}}');
  expect(message.json()).toEqual({ a: 1 });
  expect(`${message}`).toBe(message.text());
  expect(JSON.stringify([new TextMessage("a")])).toBe('["a"]');
  expect(Buffer.from(message.bytes()).toString()).toBe(message.text());
  expect(() => new TextMessage("{").json()).toThrowError(expect.objectContaining({ code: "message.notJson" }));
});

import { describe, expect, test } from "vitest";
import { decodeTogether } from "../protocol/together.ts";
import { bytesOf, frameOf } from "./effects.ts";
import { defineHandler, type Sendable, together } from "./handler.ts";
import { testHandler } from "./testing.ts";

const group = () => together({ event: "file" }, new Uint8Array([1, 2]), "tail");

test("each frame is what it would be alone", () => {
  const { isTogether, ...frame } = frameOf(group());
  const frames = decodeTogether(bytesOf(frame)).map(({ data, isBinary }) => [Buffer.from(data).toString("latin1"), isBinary]);
  expect([isTogether, frames]).toEqual([
    true,
    [
      ['{"event":"file"}', false],
      ["\u0001\u0002", true],
      ["tail", false],
    ],
  ]);
});

describe("is refused:", () => {
  const cases: ReadonlyArray<readonly [what: string, make: () => Sendable, text: string]> = [
    [
      "too many",
      () => together("head", ...new Array<string>(65).fill("x")),
      "together.invalid: frames that belong together are at most 65, not 66",
    ],
    ["some in others", () => together("head", group()), "together.invalid"],
    ["as a part of a value", () => ({ nested: group() }), "frames that belong together are a message of their own"],
    ["what has no JSON", () => together("head", (() => 1) as never), "send.invalid"],
  ];
  test.each(cases)("%s", (_what, make, text) => {
    expect(() => frameOf(make())).toThrow(text);
  });
});

const handler = defineHandler({
  path: "/",
  onOpen: (conn) => conn.subscribe("t"),
  async onMessage(conn, message, { app }) {
    const what = message.text();
    if (what === "send") conn.send(group());
    if (what === "publish") conn.publish("t", group(), { self: true });
    if (what === "app") await Promise.all([app.send(conn.id, group()), app.publish("t", group())]);
    if (what === "keep") conn.publish("t", group(), { keep: { messages: 1, seconds: 1 } });
    if (what === "app keep") await app.publish("t", group(), { keep: { messages: 1, seconds: 1 } });
  },
  onError: (conn, { code }) => conn.send(code),
});

test("a client gets them one by one, however they are sent; a topic does not keep them", async () => {
  const app = await testHandler(handler);
  const ada = await app.connect("/");
  const parts = [{ event: "file" }, new Uint8Array([1, 2]), "tail"];
  await ada.send("send");
  await ada.send("publish");
  expect(ada.take()).toEqual([...parts, ...parts]);
  expect(ada.commits.slice(-2)).toEqual([
    [{ type: "send", data: parts, together: true }],
    [{ type: "publish", topic: "t", data: parts, together: true, self: true }],
  ]);
  await ada.send("app");
  expect(ada.take()).toEqual([...parts, ...parts]);
  await ada.send("keep");
  await ada.send("app keep");
  expect(ada.take()).toEqual(["together.invalid", "together.invalid"]);
});

test("a client of a test that sends some sends so many messages", async () => {
  const app = await testHandler(defineHandler({ path: "/", onMessage: (conn, message) => conn.send(message) }));
  const ada = await app.connect("/");
  await ada.send(group());
  expect(ada.received).toEqual([{ event: "file" }, new Uint8Array([1, 2]), "tail"]);
});

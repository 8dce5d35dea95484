import { expect, test } from "vitest";
import { parseSession } from "../protocol/session.ts";
import { defineHandler, type } from "./handler.ts";
import { deliverMessages, openSession, type Receive, receiveFrames } from "./session.ts";
import { sessionKey, sessionReply } from "./session-reply.ts";
import { Bench, close, message } from "./testing/turn-bench.ts";

const receive: Receive = { mode: "poll", maxBytes: 1, missing: "again", busy: { frame: "busy" } };
const options = { handler: { state: type<{ a: number }>({ a: 1 }) }, level: 1, stateBytes: 1_000, recordBytes: 1_000 };

test.each([
  ["a key of nothing", () => receiveFrames({ key: "", receive }), "a key is text of 1 to 128 bytes"],
  ["a key that is too long", () => receiveFrames({ key: "é".repeat(65), receive }), "a key is text"],
  ["no mode", () => receiveFrames({ key: "k", receive: { ...receive, mode: "push" as never } }), 'receive.mode is "poll" or "stream"'],
  ["maxBytes of 0", () => receiveFrames({ key: "k", receive: { ...receive, maxBytes: 0 } }), "receive.maxBytes"],
  ["a prelude that is too long", () => receiveFrames({ key: "k", receive: { ...receive, prelude: "x".repeat(8_193) } }), "receive.prelude"],
  ["nothing for who is one too many", () => receiveFrames({ key: "k", receive: { ...receive, busy: {} } }), "receive.busy"],
  [
    "a close code of the protocol",
    () => receiveFrames({ key: "k", receive: { ...receive, gone: { code: 1002, reason: "" } } }),
    "3000 to 4999",
  ],
  ["no idleMs", () => openSession({ key: "k", receive, idleMs: 0 }), "idleMs is a whole number"],
  ["messages that are none", () => deliverMessages({ key: "k", messages: [1 as never], response: {}, missing: {} }), "messages"],
])("%s is refused", (_, make, text) => {
  expect(make).toThrow(expect.objectContaining({ code: "session.invalid", message: expect.stringContaining(text) }));
});

test("what a handler answers with becomes a record, with its defaults", async () => {
  const answer = openSession({ key: "k", idleMs: 5, receive: { ...receive, missing: new Response("none", { status: 404 }) } });
  const { bytes } = await sessionReply(answer, options);
  expect(parseSession(bytes)).toMatchObject({
    kind: "open",
    key: "k",
    expiresAt: 0,
    linger: { ms: 5_000, repeatLast: false },
    receive: { status: 200, headers: [], missing: { status: 404, body: new TextEncoder().encode("none") }, busy: { frame: "busy" } },
  });
});

test("a gateway that knows of no sessions: the handler is told so", async () => {
  await expect(sessionReply(receiveFrames({ key: "k", receive }), { ...options, level: undefined })).rejects.toMatchObject({
    code: "gateway.outdated",
  });
  expect(() => sessionKey("k", 0)).toThrow(expect.objectContaining({ code: "gateway.outdated" }));
});

test("what is more than a record holds is refused: as the client's fault, where it is what the client has sent", async () => {
  const missing = { status: 404 };
  const large = deliverMessages({ key: "k", messages: Array(501).fill(""), response: {}, missing });
  await expect(sessionReply(large, { ...options, recordBytes: 500 })).rejects.toMatchObject({ code: "request.tooLarge" });
  const wide = receiveFrames({ key: "k", receive: { ...receive, before: "x".repeat(500) } });
  await expect(sessionReply(wide, { ...options, recordBytes: 500 })).rejects.toMatchObject({ code: "response.tooLarge" });
});

test("the move is the last effect of its turn, and no event behind it is handled here", () => {
  const seen: string[] = [];
  const handler = defineHandler({
    path: "/a",
    onMessage(conn, sent) {
      seen.push(sent.text());
      conn.moveToSession();
      conn.send("3probe");
    },
    onClose: () => void seen.push("closed"),
  });
  const stage = new Bench(handler, { level: 1 }).take(message("5"), message("4"));
  expect(seen).toEqual(["5"]);
  expect(stage.effects).toEqual(["3probe", "moveToSession"]);
  stage.take(close);
  expect(seen).toEqual(["5", "closed"]);
});

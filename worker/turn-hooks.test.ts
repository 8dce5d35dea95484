import { expect, test } from "vitest";
import { gatewayLevel } from "../protocol/level.ts";
import { toWorker } from "../protocol/records.ts";
import { defineHandler, type } from "./handler.ts";
import type { MailboxEvent } from "./mailbox.ts";
import { ReceivedMessage } from "./message.ts";
import { Bench, fresh, message } from "./testing/turn-bench.ts";

const state = type<{ count: number }>({ count: 0 });

/** Each message names a way of subscribing to "t", or has a turn throw after it. */
const handler = defineHandler({
  path: "/a",
  state,
  onMessage(conn, incoming) {
    const step = incoming.text();
    if (step === "leave") conn.unsubscribe("t");
    else conn.subscribe("t", { hook: step !== "plain" });
    if (step === "throw") throw new Error("none of it happens");
  },
  onPublish: (conn, _topic, incoming) => conn.send(incoming.text()),
  onError: () => undefined,
});

function published(text: string): MailboxEvent {
  return { type: toWorker.published, topic: "t", number: 1, message: new ReceivedMessage(Buffer.from(text), false), ...fresh };
}

test("a gateway that does not know of it is not asked", () => {
  const it = new Bench(handler, { level: 0 }).take(message("hook"), message("plain"));
  expect(it.thrown.map(({ error }) => error.code)).toEqual(["gateway.outdated"]);
  expect(it.effects).toEqual(["subscribe t"]);
});

test("a turn that throws has changed nothing of it", () => {
  const it = new Bench(handler, { level: gatewayLevel }).take(message("throw"), message("hook"), message("hook"), message("leave"));
  expect(it.commits.map(({ effects }) => effects)).toEqual([[], ["subscribe t"], [], ["unsubscribe t"]]);
});

test("what came before it was given back to the client is a turn; what came before it was left is none", () => {
  const it = new Bench(handler, { level: gatewayLevel, topics: new Set(["t"]), hooked: ["t"] });
  it.take(published("a"), message("plain"), published("b"), message("leave"), published("c"));
  expect(it.effects).toEqual(["a", "subscribe t", "b", "unsubscribe t"]);
});

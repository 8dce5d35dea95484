// Heartbeats in a handler's tests, as at a gateway.

import { expect, test } from "vitest";
import { defineHandler } from "../handler.ts";
import { testHandler } from "../testing.ts";

const pingPong = { every: 25_000, send: "2", expect: "3", within: 20_000, close: { code: 4000, reason: "ping timeout" } };

const handler = defineHandler({
  path: "/",
  onOpen: (conn) => conn.setHeartbeat(pingPong),
  onMessage(conn, message) {
    if (message.text() === "end") conn.setHeartbeat(undefined);
    else if (message.text() === "wrong") conn.setHeartbeat({ every: 1, send: "" });
    else conn.send(`heard ${message.text()}`);
  },
  onError: (conn, { code }) => conn.send(code),
});

test("it is sent and answered without a turn, through a deploy and a crash; a client that does not answer is closed", async () => {
  const app = await testHandler(handler);
  const ada = await app.connect("/");
  expect(ada.commits).toEqual([[{ type: "setHeartbeat", heartbeat: pingPong }]]);
  app.advance(25_000);
  await app.deploy(handler);
  await ada.send("3");
  await ada.send("3x");
  await app.crash();
  app.advance(24_999);
  expect(ada.take()).toEqual([2, "heard 3x"]);
  app.advance(1 + 19_999);
  expect([ada.take(), ada.closed]).toEqual([[2], undefined]);
  app.advance(1);
  expect(ada.closed).toEqual({ code: 4000, reason: "ping timeout" });
  expect(ada.commits).toHaveLength(3);
});

test("it ends where a turn says so; a wrong one is refused, and the one that was set stays", async () => {
  const app = await testHandler(handler);
  const ada = await app.connect("/");
  await ada.send("wrong");
  app.advance(25_000);
  await ada.send("3");
  expect(ada.take()).toEqual(["heartbeat.invalid", 2]);
  await ada.send("end");
  app.advance(1_000_000);
  await ada.send("3");
  expect(ada.take()).toEqual(["heard 3"]);
});

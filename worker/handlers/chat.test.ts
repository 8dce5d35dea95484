// How a handler is tested: no server, no sockets, no waiting. Copy this file for a handler of your own.

import { expect, test } from "vitest";
import { testHandler } from "../testing.ts";
import chat from "./chat.ts";

test("everybody in a room hears what is said there, and nobody else", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/chat/blue?name=Ada");
  const bob = await app.connect("/chat/blue", { cookies: { name: "Bob" } });
  const eve = await app.connect("/chat/red?name=Eve");

  await ada.send({ text: " hi " });

  expect(ada.received).toEqual([{ joined: "Ada" }, { joined: "Bob" }, { from: "Ada", text: "hi", sent: 1 }]);
  expect(bob.received).toEqual([{ joined: "Bob" }, { from: "Ada", text: "hi", sent: 1 }]);
  expect(eve.received).toEqual([{ joined: "Eve" }]);
  expect(ada.state).toEqual({ name: "Ada", sent: 1 });
});

test("who leaves is missed", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/chat/blue?name=Ada");
  const bob = await app.connect("/chat/blue?name=Bob");
  ada.take();

  await bob.close();

  expect(ada.received).toEqual([{ left: "Bob" }]);
});

test("a name that is too long is refused before it connects", async () => {
  const app = await testHandler(chat);
  const response = await app.refused(`/chat/blue?name=${"a".repeat(41)}`);
  expect(response.status).toBe(400);
});

test("a message that is no chat message is answered, and the connection stays", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/chat/blue?name=Ada");
  ada.take();

  await ada.send("not JSON");
  await ada.send({ text: "" });

  expect(ada.take()).toMatchObject([{ error: "message.notJson" }, { error: "message.invalid", issues: [{ path: "text" }] }]);
  expect(ada.closed).toBeUndefined();
  expect(ada.state.sent).toBe(0);
});

test("a deploy keeps the room and its counts; a worker that dies loses and doubles nothing", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/chat/blue?name=Ada");
  await ada.send({ text: "one" });
  ada.take();

  await app.deploy(chat);
  await ada.send({ text: "two" });
  app.crashNext("before commit");
  await ada.send({ text: "three" });

  expect(ada.take()).toEqual([
    { from: "Ada", text: "two", sent: 2 },
    { from: "Ada", text: "three", sent: 3 },
  ]);
});

import { expect, test } from "vitest";
import { testHandler } from "../../../worker/testing.ts";
import chat from "./chat.ts";

const said = (name: string, text: string) => ({ said: expect.objectContaining({ name, text }) });

function say(text: string, key = text) {
  return { type: "say", key, text };
}

test("who comes is told who is there, and the others that somebody came and left; each room for itself", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/demos/chat/blue?name=Ada");
  const bob = await app.connect("/demos/chat/blue?name=Bob");
  await app.connect("/demos/chat/red?name=Eve");
  expect(bob.received).toEqual([
    { hello: { id: bob.id, release: "1" } },
    {
      you: bob.id,
      here: [
        { id: ada.id, name: "Ada" },
        { id: bob.id, name: "Bob" },
      ],
    },
  ]);
  await bob.close(1006);
  expect(ada.received.slice(2)).toEqual([{ joined: { id: bob.id, name: "Bob" } }, { left: bob.id }]);
});

test("everybody in the room gets what is said, its author as well; who comes later gets the last 20, then who is there", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/demos/chat/blue?name=Ada");
  ada.take();
  for (let n = 1; n <= 25; n++) await ada.send(say(` ${n} `, `key ${n}`));
  expect(ada.take().at(-1)).toEqual({ said: { key: "key 25", by: ada.id, name: "Ada", text: "25", at: expect.any(Number) } });
  await ada.close();

  const bob = await app.connect("/demos/chat/blue?name=Bob");
  const last20 = Array.from({ length: 20 }, (_, index) => said("Ada", String(index + 6)));
  expect(bob.received).toEqual([
    expect.objectContaining({ hello: expect.anything() }),
    ...last20,
    { you: bob.id, here: [{ id: bob.id, name: "Bob" }] },
  ]);
});

test("typing is told, and 4 s after the last of it that it has stopped: once, whatever is deployed or dies meanwhile", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/demos/chat/blue?name=Ada");
  const bob = await app.connect("/demos/chat/blue?name=Bob");
  bob.take();
  await ada.send({ type: "typing" });
  app.advance(3000);
  await ada.send({ type: "typing" });
  await app.deploy(chat);
  app.advance(3999);
  expect(bob.take()).toEqual([{ typing: ada.id }, { typing: ada.id }, { hello: { id: bob.id, release: "2" } }]);
  app.crashNext("before commit");
  app.advance(1);
  await app.crash();
  expect(bob.take().filter((message) => !Object.hasOwn(message as object, "hello"))).toEqual([{ stopped: ada.id }]);
});

test("a deploy tells each client the release that serves it now; a worker that dies loses and doubles nothing", async () => {
  const app = await testHandler(chat);
  const ada = await app.connect("/demos/chat/blue?name=Ada");
  ada.take();
  await app.deploy(chat);
  app.crashNext("before commit");
  await ada.send(say("one"));
  expect(ada.take().filter((message) => Object.hasOwn(message as object, "said"))).toEqual([said("Ada", "one")]);
});

test("what is too long, empty or nothing of a chat is refused, and the connection stays", async () => {
  const app = await testHandler(chat);
  for (const url of [
    "/demos/chat/blue",
    "/demos/chat/?name=Ada",
    `/demos/chat/blue?name=${"a".repeat(41)}`,
    `/demos/chat/${"a".repeat(41)}?name=Ada`,
  ])
    expect((await app.refused(url)).status).toBe(400);
  const ada = await app.connect(
    `/demos/chat/${encodeURIComponent("😀".repeat(20))}?name=${encodeURIComponent("<img src=x onerror=alert(1)>")}`,
  );
  ada.take();
  for (const message of ["no JSON", say(" "), say("a".repeat(501), "1"), say("hi", "k".repeat(41)), { type: "shout" }])
    await ada.send(message);
  expect(ada.take()).toMatchObject([
    { error: "message.notJson" },
    { error: "message.invalid", issues: [{ path: "text" }] },
    { error: "message.invalid", issues: [{ path: "text" }] },
    { error: "message.invalid", issues: [{ path: "key" }] },
    { error: "message.invalid", issues: [{ path: "type" }] },
  ]);
  await ada.send(say("hi"));
  expect(ada.take()).toEqual([said("<img src=x onerror=alert(1)>", "hi")]);
});

test("its page is served beside it", async () => {
  const app = await testHandler(chat);
  expect(await (await app.request("/demos/chat/")).text()).toContain("<h1>Chat</h1>");
  expect((await app.request("/demos/chat/chat.js")).headers.get("content-type")).toContain("javascript");
});

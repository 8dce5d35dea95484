// Topics whose messages go to onPublish, in a handler's tests as at a gateway.

import { expect, test } from "vitest";
import { defineHandler, type } from "../handler.ts";
import { testHandler } from "../testing.ts";

type Wish = { readonly do: "hook" | "plain" | "leave" } | { readonly publish: string; readonly self?: boolean };

function reader({ hears = true, adopts = false } = {}) {
  return defineHandler({
    path: "/",
    message: type<Wish>(),
    onMessage(conn, wish) {
      if ("publish" in wish) {
        conn.publish("t", wish.publish, { self: wish.self ?? false });
        conn.send("published");
      } else if (wish.do === "leave") conn.unsubscribe("t");
      else conn.subscribe("t", { hook: wish.do === "hook" });
    },
    ...(hears && {
      onPublish: (conn, topic, message, { redelivered }) => conn.send({ topic, heard: message.text(), redelivered }),
    }),
    ...(adopts && { onAdopt: (conn) => conn.subscribe("t") }),
  });
}

const heard = (text: string, redelivered = false) => ({ topic: "t", heard: text, redelivered });

test("what others publish is a turn of its own, behind the publisher's; its own messages only with self", async () => {
  const app = await testHandler(reader());
  const [ada, bob, eve] = [await app.connect("/"), await app.connect("/"), await app.connect("/")];
  await ada.send({ do: "hook" });
  await eve.send({ do: "plain" });
  await bob.send({ publish: "a" });
  await ada.send({ publish: "own" });
  await ada.send({ publish: "self", self: true });
  app.publish("t", "outside");
  expect(ada.received).toEqual([heard("a"), "published", "published", heard("self"), heard("outside")]);
  expect(eve.received).toEqual(["a", "own", "self", "outside"]);
  expect(ada.commits[0]).toEqual([]);
  expect(ada.commits[1]).toEqual([{ type: "subscribe", topic: "t", hook: true }]);
});

test("it can be changed to its client's and back, and left", async () => {
  const app = await testHandler(reader());
  const [ada, bob] = [await app.connect("/"), await app.connect("/")];
  for (const wish of ["hook", "plain", "plain", "hook", "hook", "leave"] as const) {
    await ada.send({ do: wish });
    await bob.send({ publish: wish });
  }
  expect(ada.received).toEqual([heard("hook"), "plain", "plain", heard("hook"), heard("hook")]);
});

test("it stays through deploys and crashes, also of the worker that has the event in hand", async () => {
  const app = await testHandler(reader());
  const [ada, bob] = [await app.connect("/"), await app.connect("/")];
  await ada.send({ do: "hook" });
  await app.deploy(reader({ hears: false }));
  await bob.send({ publish: "dropped" });
  await app.deploy(reader());
  await bob.send({ publish: "a" });
  app.crashNext("before commit");
  app.publish("t", "b");
  await app.crash();
  expect(ada.received).toEqual([heard("a"), heard("b", true)]);
  await app.deploy(reader({ adopts: true }));
  await bob.send({ publish: "c" });
  expect(ada.received.at(-1)).toBe("c");
});

test("what came before the turn that leaves the topic has its turn, and nothing behind it", async () => {
  let go = () => {};
  const handler = defineHandler({
    path: "/",
    onOpen: (conn) => conn.subscribe("t", { hook: true }),
    async onMessage(conn) {
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      conn.unsubscribe("t");
    },
    onPublish: (conn, _topic, message) => conn.send(message),
  });
  const app = await testHandler(handler);
  const ada = await app.connect("/");
  app.publish("t", "before");
  const turn = ada.send("leave");
  app.publish("t", "behind");
  go();
  await turn;
  expect(ada.received).toEqual(["before"]);
});

test.each([
  ["has no onPublish", {}, { hook: true }, "needs an onPublish"],
  ["is to begin with the latest", { onPublish: () => undefined }, { hook: true, last: 3 }, "app.history"],
  ["is to begin behind a position", { onPublish: () => undefined }, { hook: true, after: "e:1" }, "app.history"],
  ["is asked for in other words", { onPublish: () => undefined }, { hook: "yes" as unknown as boolean }, "true or false"],
])("one that %s is refused", async (_, hooks, options, text) => {
  const app = await testHandler(defineHandler({ path: "/", ...hooks, onMessage: (conn) => conn.subscribe("t", options) }));
  const ada = await app.connect("/");
  await ada.send("x");
  expect(ada.closed).toEqual({ code: 1011, reason: "hook.invalid" });
  expect(ada.errors[0]?.message).toContain(text);
});

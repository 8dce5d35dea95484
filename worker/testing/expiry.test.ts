// What a handler's tests find out about connections that expire.

import { expect, test } from "vitest";
import { defineHandler, type } from "../handler.ts";
import { testHandler } from "../testing.ts";

interface Options {
  readonly asks?: boolean;
}

function lease({ asks = true }: Options = {}) {
  return defineHandler({
    path: "/",
    message: type<{ extendMs: number } | { user: string } | { throws: true }>(),
    onUpgrade: () => ({ expiresAt: new Date(Date.now() + 60_000) }),
    onMessage(conn, message) {
      if ("extendMs" in message) conn.setExpiresAt(new Date(Date.now() + message.extendMs));
      if ("user" in message) conn.setUser(message.user);
      if ("throws" in message) {
        conn.setExpiresAt(undefined);
        throw new Error("after all");
      }
    },
    ...(asks && { onExpire: (conn, turn) => conn.send({ id: turn.id, redelivered: turn.redelivered }) }),
    onError: (conn, { code }) => conn.send(code),
  });
}

test("app.advance makes it expire: it is asked once, and closed with 4401 after the grace period", async () => {
  const app = await testHandler(lease());
  const client = await app.connect("/");
  app.advance(59_000);
  expect(client.received).toEqual([]);
  app.advance(1_000);
  app.advance(9_000);
  expect(client.received).toEqual([{ id: expect.stringMatching(/:expire-\d+$/), redelivered: false }]);
  expect(client.closed).toBeUndefined();
  app.advance(1_000);
  expect(client.closed).toEqual({ code: 4401, reason: "auth.expired" });
});

test("without onExpire it is closed at once", async () => {
  const app = await testHandler(lease({ asks: false }));
  const client = await app.connect("/");
  app.advance(60_000);
  expect(client.closed).toEqual({ code: 4401, reason: "auth.expired" });
});

test("a later time counts, also through a deploy and a crash, and one that a turn took back does not", async () => {
  const app = await testHandler(lease());
  const client = await app.connect("/");
  await client.send({ extendMs: 120_000 });
  await client.send({ throws: true });
  expect(client.take()).toEqual(["handler.thrown"]);
  await app.deploy(lease());
  await app.crash();
  app.advance(100_000);
  expect([client.received, client.closed]).toEqual([[], undefined]);
  app.advance(30_000);
  expect(client.received).toHaveLength(1);
});

test("a worker that dies before its onExpire has committed: it runs again, as the same turn", async () => {
  const app = await testHandler(lease());
  const client = await app.connect("/");
  app.crashNext("before commit");
  app.advance(60_000);
  await app.crash();
  expect(client.received).toEqual([{ id: expect.stringMatching(/:expire-\d+$/), redelivered: true }]);
});

test("setUser names the connection for closeUser, and what it is given is checked", async () => {
  const app = await testHandler(lease());
  const client = await app.connect("/");
  await client.send({ user: "" });
  expect(client.take()).toEqual(["identity.invalid"]);
  await client.send({ user: "ada" });
  expect([client.user, client.commits.at(-1)]).toEqual(["ada", [{ type: "identify", user: "ada" }]]);
});

test.each([new Date(Number.NaN), 1_800_000_000, "2030-01-01"])("an expiresAt that is no Date is refused: %s", async (expiresAt) => {
  const app = await testHandler(defineHandler({ path: "/", onUpgrade: () => ({ expiresAt: expiresAt as Date }) }));
  await expect(app.connect("/")).rejects.toThrow("identity.invalid");
});

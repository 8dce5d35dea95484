// What a release without onTimer makes of timers, in a handler's tests as at a gateway.

import { expect, test } from "vitest";
import { defineHandler, type } from "../handler.ts";
import { testHandler } from "../testing.ts";

function clock({ hears = true } = {}) {
  return defineHandler({
    path: "/",
    message: type<{ set: string; ms: number }>(),
    onMessage: (conn, { set, ms }) => conn.setTimer(set, ms),
    ...(hears && { onTimer: (conn, name, { redelivered }) => conn.send({ due: name, redelivered }) }),
  });
}

test("it comes due once through deploys, crashes and a release without onTimer, which drops what comes due under it", async () => {
  const app = await testHandler(clock(), { timersPerConnection: 2 });
  const client = await app.connect("/");
  await client.send({ set: "a", ms: 100 });
  await client.send({ set: "b", ms: 300 });
  await app.deploy(clock({ hears: false }));
  app.advance(100);
  await app.deploy(clock());
  // The one that was dropped takes no room.
  await client.send({ set: "c", ms: 200 });
  await app.crash();
  app.crashNext("before commit");
  app.advance(200);
  await app.crash();
  const due = client.take() as Array<{ due: string; redelivered: boolean }>;
  expect(due.map(({ due: name }) => name).toSorted()).toEqual(["b", "c"]);
  expect(due.some(({ redelivered }) => redelivered)).toBe(true);
});

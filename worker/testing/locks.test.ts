import { expect, test } from "vitest";
import { defineHandler, type } from "../handler.ts";
import { testHandler } from "../testing.ts";

type Wish = { lock: string; waitMs?: number; throws?: true } | { unlock: string; again?: true };

const handler = defineHandler({
  path: "/",
  message: type<Wish>(),
  async onMessage(conn, wish) {
    if ("unlock" in wish) {
      conn.unlock(wish.unlock);
      if (wish.again) conn.send((await conn.lock(wish.unlock))?.fence ?? "others");
      return;
    }
    const { lock: name, waitMs, throws } = wish;
    const lock = await conn.lock(name, waitMs === undefined ? undefined : { waitMs });
    if (throws) throw new Error("thrown with a lock");
    conn.send(lock?.fence ?? "others");
  },
  onError(conn, error) {
    conn.send(error.code);
  },
});

test("one connection has a lock, and the same one again; others get it in order, or not in time", async () => {
  const app = await testHandler(handler);
  const [ada, bob, cyd] = [await app.connect("/"), await app.connect("/"), await app.connect("/")];
  await ada.send({ lock: "a" });
  await ada.send({ lock: "a" });
  await bob.send({ lock: "a" });
  const waits = bob.send({ lock: "a", waitMs: 2_000 });
  const late = cyd.send({ lock: "a", waitMs: 1_000 });
  app.advance(1_000);
  await late;
  expect([ada.take(), bob.take(), cyd.take()]).toEqual([[1, 1], ["others"], ["others"]]);
  await ada.send({ unlock: "a" });
  await waits;
  expect(bob.take()).toEqual([2]);
  await bob.close();
  await cyd.send({ lock: "a" });
  expect(cyd.take()).toEqual([3]);
});

test("a turn that gives back what it then asks for again keeps it", async () => {
  const app = await testHandler(handler);
  const [ada, bob] = [await app.connect("/"), await app.connect("/")];
  await ada.send({ lock: "a" });
  await ada.send({ unlock: "a", again: true });
  await bob.send({ lock: "a" });
  expect([ada.take(), bob.take()]).toEqual([[1, 1], ["others"]]);
});

test("a turn that throws gives back what it has taken; one that runs again has it still", async () => {
  const app = await testHandler(handler);
  const [ada, bob] = [await app.connect("/"), await app.connect("/")];
  await ada.send({ lock: "a", throws: true });
  await bob.send({ lock: "a" });
  app.crashNext("before commit");
  await bob.send({ lock: "b" });
  await ada.send({ lock: "b" });
  expect([ada.take(), bob.take()]).toEqual([
    ["handler.thrown", "others"],
    [2, 3],
  ]);
  expect(bob.commits.at(-1)).toEqual([
    { type: "lock", name: "b" },
    { type: "send", data: 3 },
  ]);
});

test.each([[{ lock: "" }], [{ lock: "x".repeat(129) }], [{ lock: "a", waitMs: -1 }], [{ lock: "a", waitMs: 3_600_000 }]])(
  "%j is refused with lock.invalid",
  async (wish) => {
    const app = await testHandler(handler);
    const ada = await app.connect("/");
    await ada.send(wish);
    expect(ada.take()).toEqual(["lock.invalid"]);
  },
);

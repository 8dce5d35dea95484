// What a handler's tests find out about its state: after a deploy it is what it was before, or it was refused at once.

import fc from "fast-check";
import * as v from "valibot";
import { expect, test } from "vitest";
import { described, storable, unstorable } from "../../test/any-state.ts";
import { defineHandler } from "../handler.ts";
import { testHandler } from "../testing.ts";

/** Its state may be anything; its turns do what the test wants them to. */
function keeper(turn: (conn: { state: unknown; setState(next: unknown): void; flush(): Promise<void> }) => unknown, first?: unknown) {
  return defineHandler({
    path: "/",
    state: v.unknown(),
    onUpgrade: () => ({ state: first ?? "new" }),
    onMessage: async (conn) => void (await turn(conn)),
    onError: (conn, error) => conn.send({ code: error.code, path: error.issues[0]?.path }),
  });
}

test("a state of any kind is the same for the turn that sets it, for the next one, and after a deploy", async () => {
  await fc.assert(
    fc.asyncProperty(storable, async (state) => {
      const seen: string[] = [];
      const handler = keeper((conn) => {
        if (seen.length === 0) conn.setState(state);
        seen.push(described(conn.state));
      });
      const app = await testHandler(handler, { stateBytes: 512 * 1024, effectsBytes: 2 ** 20 });
      const ada = await app.connect("/");
      await ada.send("set");
      await ada.send("look");
      await app.deploy(handler);
      await ada.send("look");
      expect(ada.errors).toEqual([]);
      expect(seen).toEqual(Array(3).fill(described(state)));
    }),
  );
});

test("from onUpgrade, too", async () => {
  await fc.assert(
    fc.asyncProperty(storable, async (state) => {
      const handler = keeper(() => undefined, state);
      const app = await testHandler(handler, { stateBytes: 512 * 1024, effectsBytes: 2 ** 20 });
      const ada = await app.connect("/");
      expect(described(ada.state)).toBe(described(state ?? "new"));
      await app.deploy(handler);
      expect(described(ada.state)).toBe(described(state ?? "new"));
    }),
  );
});

test.each(Object.entries(unstorable))("setState and onUpgrade refuse %s at once, with its path", async (_, made) => {
  let wentOn = false;
  const setting = keeper((conn) => {
    conn.setState({ at: new Map([["home", made()]]) });
    wentOn = true;
  });
  const ada = await (await testHandler(setting)).connect("/");
  await ada.send("set");
  expect(wentOn).toBe(false);
  expect(ada.received).toEqual([{ code: "state.invalid", path: expect.stringMatching(/^at\.home/) }]);
  expect(ada.state).toBe("new");

  const app = await testHandler(keeper(() => undefined, { at: made() }));
  await expect(app.connect("/")).rejects.toThrow(/^state\.invalid: at/);
});

test("what a schema makes of a state has to be storable, too", async () => {
  const handler = defineHandler({
    path: "/",
    state: v.object({
      home: v.pipe(
        v.string(),
        v.transform((text) => new URL(text)),
      ),
    }),
    onUpgrade: () => ({ state: { home: "http://a/" } }),
  });
  await expect((await testHandler(handler)).connect("/")).rejects.toThrow(/^state\.invalid: home: an instance of URL cannot be kept/);
});

test("a change in place throws, whatever the kind", async () => {
  const changes: ((state: { map: Map<string, number>; set: Set<number>; date: Date; list: number[]; count: number }) => unknown)[] = [
    (state) => state.map.set("a", 2),
    (state) => state.set.clear(),
    (state) => state.date.setTime(2),
    (state) => state.list.push(2),
    (state) => state.count++,
  ];
  const first = { map: new Map([["a", 1]]), set: new Set([1]), date: new Date(1), list: [1], count: 1 };
  for (const change of changes) {
    const ada = await (await testHandler(keeper((conn) => change(conn.state as typeof first), first))).connect("/");
    await ada.send("change");
    expect(ada.errors[0]?.cause).toBeInstanceOf(TypeError);
    expect(ada.state).toEqual(first);
  }
});

test("bytes that are changed in place are as before in the next turn, under the same worker as under the next", async () => {
  const seen: number[] = [];
  const handler = keeper(
    (conn) => {
      const { bytes } = conn.state as { bytes: Uint8Array };
      seen.push(bytes[0] as number);
      bytes[0] = 9;
    },
    { bytes: new Uint8Array([1]) },
  );
  const app = await testHandler(handler);
  const ada = await app.connect("/");
  await ada.send("change");
  await ada.send("change");
  await app.deploy(handler);
  await ada.send("change");
  (ada.state as { bytes: Uint8Array }).bytes[0] = 9;
  expect(seen).toEqual([1, 1, 1]);
  expect(ada.state).toEqual({ bytes: new Uint8Array([1]) });
});

test("what was set is kept as it was then: later changes of the handler's own value are not seen, before a flush as after it", async () => {
  const own = { list: [1], bytes: new Uint8Array([1]), map: new Map([["a", 1]]) };
  const seen: unknown[] = [];
  const handler = keeper(async (conn) => {
    if (seen.length === 0) conn.setState(own);
    own.list.push(2);
    own.map.clear();
    own.bytes[0] = 9;
    seen.push(structuredClone(conn.state));
    (conn.state as typeof own).bytes[0] = 9;
    await conn.flush();
    seen.push(structuredClone(conn.state));
  });
  const app = await testHandler(handler);
  const ada = await app.connect("/");
  await ada.send("set");
  await app.deploy(handler);
  await ada.send("look");
  expect(ada.errors).toEqual([]);
  expect(ada.state).toEqual({ list: [1], bytes: new Uint8Array([1]), map: new Map([["a", 1]]) });
});

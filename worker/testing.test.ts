import * as v from "valibot";
import { describe, expect, expectTypeOf, test, vi } from "vitest";
import { type App, defineHandler, type } from "./handler.ts";
import { deferred } from "./testing/turn-bench.ts";
import { testHandler } from "./testing.ts";

const counter = defineHandler({
  path: "/counter/:name",
  state: type({ count: 0 }),
  subprotocols: ["v2", "v1"],
  onUpgrade({ cookies, query, headers, subprotocols, ip, origin }) {
    if (query.has("refuse")) return new Response("no", { status: 403 });
    return { user: cookies.user, headers: { "x-seen": [headers["x-a"], origin, ip, subprotocols.join()].join(" ") } };
  },
  onOpen: (conn) => conn.subscribe(conn.params.name),
  onMessage(conn, message, turn) {
    if (message.text() === "bye") return conn.close(4000, "bye");
    conn.setState({ count: conn.state.count + 1 });
    conn.publish(conn.params.name, { count: conn.state.count, redelivered: turn.redelivered }, { self: true });
  },
  onClose: (conn, { code }) => conn.publish(conn.params.name, { closed: code }),
});

test("a client comes with path, query, headers, cookies and subprotocols", async () => {
  const app = await testHandler(counter);
  const ada = await app.connect("/counter/a%20b?x=1", {
    cookies: { user: "Ada; ä" },
    headers: { "X-A": "1", Origin: "https://example.com" },
    subprotocols: ["v0", "v1", "v2"],
    ip: "10.0.0.1",
  });
  expect(ada.user).toBe("Ada; ä");
  expect(ada.headers.get("x-seen")).toBe("1 https://example.com 10.0.0.1 v0,v1,v2");
  expect(ada.subprotocol).toBe("v1");
  expect([...ada.topics]).toEqual(["a b"]);
  expectTypeOf(ada.state.count).toEqualTypeOf<number>();
});

test("a refused client is a Response, and an error that says so where one was expected to connect", async () => {
  const app = await testHandler(counter);
  expect(await (await app.refused("/counter/a?refuse")).text()).toBe("no");
  await expect(app.connect("/counter/a?refuse")).rejects.toThrow(
    "/counter/a?refuse was refused with 403 (no): app.refused(url) gives the Response",
  );
  await expect(app.refused("/counter/a")).rejects.toThrow("/counter/a was not refused: app.connect(url) opens it");
  await expect(app.connect("/count")).rejects.toThrow('"/count" is not served: the handler\'s path is /counter/:name');
});

test("frames are seen as they came, and parsed", async () => {
  const app = await testHandler(
    defineHandler({
      path: "/",
      onMessage(conn, message) {
        conn.send(message);
        conn.send(message.bytes());
      },
    }),
  );
  const ada = await app.connect("/");
  await ada.send('{"a":1}');
  await ada.send("plain");
  await ada.send({ a: 1 });
  await ada.send(new Uint8Array([1, 2]));
  const bytes = (text: string) => new TextEncoder().encode(text);
  expect(ada.frames).toEqual([
    '{"a":1}',
    bytes('{"a":1}'),
    "plain",
    bytes("plain"),
    '{"a":1}',
    bytes('{"a":1}'),
    new Uint8Array([1, 2]),
    new Uint8Array([1, 2]),
  ]);
  expect(ada.received.filter((_, index) => index % 2 === 0)).toEqual([{ a: 1 }, "plain", { a: 1 }, new Uint8Array([1, 2])]);
  expect(ada.take()).toHaveLength(8);
  expect(ada.received).toEqual([]);
});

test("members are told with what the turn has made of its own connection", async () => {
  const seen: unknown[] = [];
  const app = await testHandler(
    defineHandler({
      path: "/:name",
      async onOpen(conn, { app: outside }) {
        conn.subscribe("all", { as: conn.params.name });
        const infos = async () => (await conn.members<string>("all")).map(({ info }) => info);
        seen.push([await infos(), (await outside.members("all")).length]);
        conn.unsubscribe("all");
        seen.push(await infos());
        conn.subscribe("all");
        seen.push(await infos());
        conn.subscribe("all", { as: `${conn.params.name}!` });
        seen.push(await infos());
      },
      async onMessage(conn) {
        conn.subscribe("all", { as: { changed: true } });
        throw new Error("none of it happens");
      },
      onError: () => undefined,
      async onClose(conn) {
        seen.push((await conn.members("all")).map(({ info }) => info));
      },
    }),
  );
  const ada = await app.connect("/ada");
  const bob = await app.connect("/bob");
  await ada.send("x");
  expect(seen).toEqual([[["ada"], 0], [], [], ["ada!"], [["ada!", "bob"], 1], ["ada!"], ["ada!"], ["ada!", "bob!"]]);
  await bob.close();
  expect(seen.at(-1)).toEqual(["ada!"]);
  await expect(app.connect(`/${"x".repeat(1_100)}`)).resolves.toMatchObject({ closed: { code: 1011 } });
});

test("a member that leaves and subscribes again within a turn is none, unless it says so again; one that closes never is", async () => {
  const seen: unknown[] = [];
  const app = await testHandler(
    defineHandler({
      path: "/",
      message: type<{ as?: string }>(),
      onOpen(conn) {
        conn.subscribe("all", { as: "first" });
      },
      async onMessage(conn, { as }) {
        conn.unsubscribe("all");
        conn.subscribe("all", as === undefined ? undefined : { as });
        seen.push((await conn.members("all")).map(({ info }) => info));
      },
      async onClose(conn) {
        conn.subscribe("all", { as: "too late" });
        if ((await conn.members("all")).length === 0) seen.push("nobody");
      },
    }),
  );
  const client = await app.connect("/");
  await client.send({ as: "second" });
  await client.send({});
  expect(seen).toEqual([["second"], []]);
  await client.close();
  expect(seen.at(-1)).toBe("nobody");
});

test("a user that is none is refused, as it is by a worker", async () => {
  const app = await testHandler(
    defineHandler({
      path: "/",
      async onRequest(_request, { app: here }) {
        const asked = [here.sendToUser("", "x"), here.closeUser("x".repeat(1_025)), here.connections({ user: "" })];
        const errors = (await Promise.allSettled(asked)).map((outcome) => outcome.status === "rejected" && outcome.reason.code);
        return Response.json(errors);
      },
    }),
  );
  expect(await (await app.request("/")).json()).toEqual(Array(3).fill("identity.invalid"));
});

test("sendToUser and connections({ user }) know whose a connection is; a publish leaves out whom it names", async () => {
  const app = await testHandler(
    defineHandler({
      path: "/:user",
      onUpgrade: ({ params }) => ({ user: params.user }),
      onOpen: (conn) => conn.subscribe("all"),
      async onMessage(conn, message, turn) {
        const ids = (await turn.app.connections({ user: message.text() })).map(({ id }) => id);
        conn.publish("all", "not to them", { except: ids });
        await turn.app.publish("all", "nor this", { except: ids });
        conn.send(await turn.app.sendToUser(message.text(), "hello"));
      },
    }),
  );
  const [ada, too, bob] = await Promise.all(["/ada", "/ada", "/bob"].map((url) => app.connect(url)));
  await bob?.send("ada");
  expect([ada, too, bob].map((each) => each?.received)).toEqual([["hello"], ["hello"], ["nor this", 2]]);
});

test("a publish reaches the others on the topic, and its sender only with self", async () => {
  const publishing = defineHandler({
    path: "/",
    onOpen: (conn) => conn.subscribe("all"),
    onMessage(conn) {
      conn.publish("all", "to others");
      conn.publish("all", "to all", { self: true });
      conn.publish("other", "to nobody", { self: true });
    },
  });
  const app = await testHandler(publishing);
  const ada = await app.connect("/");
  const bob = await app.connect("/");
  await ada.send("x");
  expect([ada.received, bob.received]).toEqual([["to all"], ["to others", "to all"]]);
});

test("each commit's effects can be looked at", async () => {
  const app = await testHandler(counter);
  const ada = await app.connect("/counter/a");
  await ada.send("x");
  await ada.send("bye");
  expect(ada.commits).toEqual([
    [{ type: "subscribe", topic: "a" }],
    [
      { type: "publish", topic: "a", data: { count: 1, redelivered: false }, self: true },
      { type: "setState", state: { count: 1 } },
    ],
    [{ type: "close", code: 4000, reason: "bye" }],
    [{ type: "publish", topic: "a", data: { closed: 4000 }, self: false }],
  ]);
});

test("a close by either side is seen by both, and ends what can be sent", async () => {
  const app = await testHandler(counter);
  const [ada, bob, eve] = await Promise.all(["a", "a", "a"].map((name) => app.connect(`/counter/${name}`)));
  await ada?.send("bye");
  await bob?.close(1006);
  expect([ada?.closed, bob?.closed, eve?.closed]).toEqual([{ code: 4000, reason: "bye" }, { code: 1006, reason: "" }, undefined]);
  expect(eve?.received).toEqual([{ closed: 4000 }, { closed: 1006 }]);
  await expect(ada?.send("x")).rejects.toThrow("cannot send: this connection was closed with 4000 bye");
  await expect(bob?.close()).rejects.toThrow("cannot close: this connection was closed with 1006");
});

test("what was sent before a close is handled, what comes behind the handler's own is not", async () => {
  const app = await testHandler(counter);
  const ada = await app.connect("/counter/a");
  const bob = await app.connect("/counter/a");
  await Promise.all([ada.send("1"), ada.close()]);
  expect(bob.take()).toMatchObject([{ count: 1 }, { closed: 1000 }]);

  const slow = deferred();
  const slowly = await testHandler(
    defineHandler({
      path: "/",
      async onMessage(conn, message) {
        await slow.promise;
        conn.send(message);
        conn.close();
      },
    }),
  );
  const eve = await slowly.connect("/");
  const sent = [eve.send("1"), eve.send("2"), eve.close(1001)];
  slow.resolve();
  await Promise.all(sent);
  expect(eve.received).toEqual([]);
  expect(eve.commits).toEqual([
    [],
    [
      { type: "send", data: 1 },
      { type: "close", code: 1000, reason: "" },
    ],
    [],
  ]);
});

test("a turn that was rolled back leaves its reason, also with the connection that it closed", async () => {
  const app = await testHandler(
    defineHandler({
      path: "/",
      onMessage() {
        throw new RangeError("oops");
      },
    }),
  );
  const ada = await app.connect("/");
  await ada.send("x");
  expect(ada.errors).toMatchObject([{ code: "handler.thrown", cause: new RangeError("oops") }]);
  await expect(ada.send("y")).rejects.toMatchObject({ cause: { code: "handler.thrown" } });
});

test("onStart and onRequest have an app that reaches the connections; a deploy aborts the old onStart", async () => {
  const signals: AbortSignal[] = [];
  const handler = defineHandler({
    path: "/a",
    onStart(app, { signal }) {
      signals.push(signal);
      void app.publish("all", { from: "start" });
    },
    onUpgrade: ({ query }) => ({ user: query.get("user") ?? "" }),
    onOpen: (conn) => conn.subscribe("all"),
    async onRequest(request, { app }) {
      const { to } = (await request.json()) as { to: string };
      return Response.json([await app.send(to, "direct"), await app.send("gone", "direct"), await app.closeUser("bob", 3001, "out")]);
    },
  });
  const app = await testHandler(handler);
  const ada = await app.connect("/a?user=ada");
  const bob = await app.connect("/a?user=bob");
  const response = await app.request("/a", { method: "POST", body: JSON.stringify({ to: ada.id }) });
  expect(await response.json()).toEqual([true, false, 1]);
  expect(bob.closed).toEqual({ code: 3001, reason: "out" });
  app.publish("all", "outside");
  await app.deploy(handler);
  expect(ada.received).toEqual(["direct", "outside", { from: "start" }]);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
});

test("the next onStart begins when the old one has ended; connections are handed over when it has returned", async () => {
  const seen: string[] = [];
  const version = (name: string) =>
    defineHandler({
      path: "/a",
      async onStart(app, { signal, generation }) {
        seen.push(`${name} begins as ${app.release} in generation ${generation}`);
        signal.addEventListener("abort", () => seen.push(`${name} ends`));
        await new Promise((resolve) => setTimeout(resolve, 1));
        seen.push(`${name} is on`);
      },
      onAdopt: () => void seen.push(`${name} adopts`),
    });
  const app = await testHandler(version("one"));
  await app.connect("/a");
  await app.deploy(version("two"));
  expect(seen).toEqual([
    ...["one begins as 1 in generation 1", "one is on", "one ends"],
    ...["two begins as 2 in generation 2", "two is on", "two adopts"],
  ]);
});

test("a deploy whose onStart throws fails: the old handler goes on, and its onStart begins again", async () => {
  const signals: AbortSignal[] = [];
  const good = defineHandler({
    path: "/a",
    onStart: (_app, { signal }) => void signals.push(signal),
    onMessage: (conn, message) => conn.send(message),
  });
  const bad = defineHandler({
    path: "/a",
    onStart(_app, { signal }) {
      signals.push(signal);
      throw new RangeError("no");
    },
  });
  const app = await testHandler(good);
  const ada = await app.connect("/a");
  await expect(app.deploy(bad)).rejects.toThrow(new RangeError("no"));
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false]);
  await ada.send("still there?");
  expect([app.release, ada.received]).toEqual(["1", ["still there?"]]);
});

test("an onStart that never settles fails the test that starts it", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const starting = testHandler(defineHandler({ path: "/a", onStart: () => new Promise<void>(() => undefined) }));
    const failed = expect(starting).rejects.toThrow(/^onStart has not settled within 4 s/);
    await vi.advanceTimersByTimeAsync(4_000);
    await failed;
  } finally {
    vi.useRealTimers();
  }
});

test("a body that onRequest cannot read as JSON is answered with 400, and another error of its own fails the test", async () => {
  const handler = defineHandler({
    path: "/a",
    async onRequest(request) {
      if (request.method === "PUT") throw new SyntaxError("mine");
      return Response.json(await request.json());
    },
  });
  const app = await testHandler(handler);
  const response = await app.request("/a", { method: "POST", body: "{" });
  expect(response.status).toBe(400);
  expect(await response.text()).toMatch(/^request\.malformed: /);
  expect(await (await app.request("/a", { method: "POST", body: "[1]" })).json()).toEqual([1]);
  await expect(app.request("/a", { method: "PUT", body: "{" })).rejects.toThrow("mine");
});

test("an onStart that throws fails the test that starts it", async () => {
  const failing = defineHandler({
    path: "/a",
    onStart() {
      throw new RangeError("no");
    },
  });
  await expect(testHandler(failing)).rejects.toThrow(new RangeError("no"));
});

test("every hook has app, of its own release", async () => {
  const said: string[] = [];
  const say = (hook: string, app: App) => {
    said.push(`${hook} ${app.release}`);
    return app.publish("all", hook);
  };
  const handler = defineHandler({
    path: "/a",
    onUpgrade: ({ app }) => say("onUpgrade", app),
    onRequest: async (_request, { turn }) => {
      await say("onRequest", turn.app);
      return new Response();
    },
    onOpen: async (conn, turn) => {
      conn.subscribe("all");
      await say("onOpen", turn.app);
    },
    async onMessage(_conn, _message, turn) {
      await say("onMessage", turn.app);
      throw new Error("no luck");
    },
    onError: (_conn, _error, turn) => say("onError", turn.app),
    onAdopt: (_conn, turn) => say("onAdopt", turn.app),
    onClose: (_conn, _closing, turn) => say("onClose", turn.app),
  });
  const app = await testHandler(handler);
  const ada = await app.connect("/a");
  await ada.send("x").catch(() => undefined);
  await app.request("/a");
  await app.deploy(handler);
  await ada.close();
  expect(said).toEqual(["onUpgrade 1", "onOpen 1", "onMessage 1", "onError 1", "onRequest 1", "onAdopt 2", "onClose 2"]);
  // What app does happens at once, and stays where the turn is rolled back.
  expect(ada.received).toEqual(["onMessage", "onError", "onRequest", "onAdopt"]);
});

test("a rollback gives each connection the state that its handler had left, where the deployed one has migrated it", async () => {
  const before = defineHandler({
    path: "/",
    state: v.object({ count: v.number() }),
    onUpgrade: () => ({ state: { count: 0 } }),
    onMessage: (conn) => conn.setState({ count: conn.state.count + 1 }),
  });
  const after = defineHandler({
    path: "/",
    state: v.object({ total: v.number() }),
    migrate: (stored) => ({ total: (stored as { count?: number } | undefined)?.count ?? 0 }),
    onMessage: (conn) => conn.setState({ total: conn.state.total + 1 }),
  });
  const app = await testHandler(before);
  const [ada, eve] = [await app.connect("/"), await app.connect("/")];
  await ada.send("1");
  await app.deploy(after);
  await ada.send("2");
  expect([ada.state, eve.state]).toEqual([{ total: 2 }, { total: 0 }]);
  await app.rollback();
  expect([app.release, ada.state, eve.state]).toEqual(["1", { count: 1 }, { count: 0 }]);
  await ada.send("2");
  await app.rollback();
  expect([app.release, ada.state, ada.closed]).toEqual(["2", { total: 2 }, undefined]);
});

test("loseGateway ends everything at once: no onClose runs, and onGatewayLost sets right what is kept", async () => {
  const present = new Map<string, string>();
  const seen: string[] = [];
  const app = await testHandler(
    defineHandler({
      path: "/present",
      onOpen(conn) {
        present.set(conn.id, conn.gateway);
      },
      onClose(conn) {
        seen.push("onClose");
        present.delete(conn.id);
      },
      onStart(_app, { signal }) {
        seen.push("onStart");
        signal.addEventListener("abort", () => seen.push("aborted"));
      },
      async onGatewayLost(app_, { gateway }) {
        seen.push("onGatewayLost");
        expect(await app_.connections()).toEqual([]);
        for (const [id, at] of present) if (at === gateway) present.delete(id);
      },
    }),
  );
  const ada = await app.connect("/present");
  const bob = await app.connect("/present");
  expect(present.size).toBe(2);
  await app.loseGateway();
  expect(seen).toEqual(["onStart", "aborted", "onStart", "onGatewayLost"]);
  expect(present.size).toBe(0);
  expect([ada.closed, bob.closed]).toEqual([
    { code: 1006, reason: "" },
    { code: 1006, reason: "" },
  ]);
  const again = await app.connect("/present");
  expect(present.size).toBe(1);
  await again.close();
  expect(present.size).toBe(0);
});

describe("timers", () => {
  const clock = defineHandler({
    path: "/clock",
    state: type<{ count: number }>({ count: 0 }),
    message: type<{ set?: [string, number]; clear?: string; fail?: boolean }>(),
    onMessage(conn, { set, clear, fail }) {
      if (set) conn.setTimer(...set);
      if (clear) conn.clearTimer(clear);
      if (fail) throw new Error("none of it");
    },
    onTimer(conn, name, turn) {
      conn.send([name, turn.redelivered]);
      conn.setState({ count: conn.state.count + 1 });
      if (name === "tick" && conn.state.count < 3) conn.setTimer("tick", 1_000);
      if (name === "fail") throw new Error("rolled back");
    },
    onError: (conn, error) => conn.send(error.code),
  });

  test("come due in the order of their time, once, and again where onTimer sets them", async () => {
    const app = await testHandler(clock);
    const ada = await app.connect("/clock");
    await ada.send({ set: ["tick", 1_000] });
    await ada.send({ set: ["first", 500] });
    app.advance(999);
    expect(ada.take()).toEqual([["first", false]]);
    app.advance(10_000);
    expect(ada.take()).toEqual([
      ["tick", false],
      ["tick", false],
    ]);
  });

  test("are as a turn that threw had found them; one whose onTimer throws is done with", async () => {
    const app = await testHandler(clock);
    const ada = await app.connect("/clock");
    await ada.send({ set: ["a", 100] });
    await ada.send({ clear: "a", fail: true });
    await ada.send({ set: ["b", 100], fail: true });
    await ada.send({ set: ["fail", 200] });
    ada.take();
    app.advance(1_000);
    app.advance(1_000);
    expect(ada.take()).toEqual([["a", false], "handler.thrown"]);
  });

  test("survive a deploy and a crash, and a turn that was lost runs again", async () => {
    const app = await testHandler(clock);
    const ada = await app.connect("/clock");
    await ada.send({ set: ["a", 100] });
    await ada.send({ set: ["b", 200] });
    await app.deploy(clock);
    await ada.send({ set: ["b", 300] });
    app.crashNext("before commit");
    app.advance(150);
    await app.crash();
    expect(ada.take()).toEqual([["a", true]]);
    app.advance(100);
    expect(ada.take()).toEqual([]);
    app.advance(1_000);
    expect(ada.take()).toEqual([["b", false]]);
  });

  test("that have come due behind a turn which clears or replaces them are not run for that", async () => {
    const gate = deferred();
    const run: string[] = [];
    const app = await testHandler(
      defineHandler({
        path: "/slow",
        onOpen(conn) {
          for (const name of ["cleared", "replaced", "left"]) conn.setTimer(name, 100);
        },
        async onMessage(conn) {
          await gate.promise;
          conn.clearTimer("cleared");
          conn.setTimer("replaced", 1_000);
        },
        onTimer: (_conn, name) => void run.push(name),
      }),
    );
    const ada = await app.connect("/slow");
    const sent = ada.send("x");
    app.advance(500);
    gate.resolve();
    await sent;
    expect(run).toEqual(["left"]);
    app.advance(1_000);
    expect(run).toEqual(["left", "replaced"]);
  });

  test("may be cleared in the turn that has set them again and flushed, as any other", async () => {
    const again = defineHandler({
      path: "/",
      onOpen: (conn) => conn.setTimer("tick", 5),
      async onTimer(conn) {
        conn.setTimer("tick", 5);
        await conn.flush();
        conn.clearTimer("tick");
        // The other one is gone: there is room for this.
        conn.setTimer("last", 5);
      },
    });
    const app = await testHandler(again, { timersPerConnection: 1 });
    const ada = await app.connect("/");
    app.advance(5);
    await ada.send("behind it");
    expect(ada.commits.at(-2)).toEqual([
      { type: "clearTimer", name: "tick" },
      { type: "setTimer", name: "last", ms: 5 },
    ]);
  });

  test("are refused with a code where they cannot be", async () => {
    const app = await testHandler(clock, { timersPerConnection: 1 });
    const ada = await app.connect("/clock");
    const wrong: Array<[string, number]> = [
      ["", 1],
      ["x".repeat(65), 1],
      ["a", 0],
      ["a", 1.5],
      ["a", 2 ** 31],
    ];
    for (const set of wrong) await ada.send({ set });
    expect(ada.take()).toEqual(wrong.map(() => "timer.invalid"));
    await ada.send({ set: ["tick", 5] });
    app.advance(10);
    // In its own turn it is done with: another one has its place.
    expect(ada.take()).toEqual([["tick", false]]);
    await ada.send({ clear: "tick" });
    await ada.send({ set: ["a", 5] });
    await ada.send({ set: ["a", 6] });
    await ada.send({ set: ["b", 5] });
    expect(ada.take()).toEqual(["timers.tooMany"]);
    const none = await testHandler(defineHandler({ path: "/none", onOpen: (conn) => conn.setTimer("a", 1) }));
    expect((await none.connect("/none")).closed).toMatchObject({ code: 1011 });
  });
});

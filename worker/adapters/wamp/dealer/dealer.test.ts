// Remote procedure calls, as they are on the wire: of the handler, and from client to client.

import { expect, test, vi } from "vitest";
import { CodedError } from "../../../adapter.ts";
import { testHandler } from "../../../testing.ts";
import { pack } from "../messages/codec.ts";
import { routerId } from "../messages/identifiers.ts";
import { type, type WampMessage } from "../messages/messages.ts";
import { invocationId, scopeOf, topics } from "../session/topics.ts";
import { WireSession } from "../testing/wire-session.ts";
import { WampError, WampResult, wamp } from "../wamp.ts";

const procedure = "com.example.procedure";
const start = (hooks: Partial<Parameters<typeof wamp>[0]> = {}) => testHandler(wamp({ path: "/ws", realms: ["realm1"], ...hooks }));
type Started = Awaited<ReturnType<typeof start>>;

type Opened = Awaited<ReturnType<typeof open>>;

async function join(app: Started, count: number): Promise<WireSession[]> {
  return Promise.all(Array.from({ length: count }, () => WireSession.join(app)));
}

/** Registered, and called: both sides of an open call. */
async function open(app: Started, options = {}, register = {}) {
  const [caller, callee] = (await join(app, 2)) as [WireSession, WireSession];
  expect((await callee.ask(type.REGISTER, register, procedure))[0]).toBe(type.REGISTERED);
  await caller.send([type.CALL, 7, options, procedure, ["a"], { b: 1 }]);
  const invocation = await callee.next(type.INVOCATION);
  return { caller, callee, id: invocation[1] as number, invocation };
}

/** The number that the caller has for its first open call. */
function callNumber({ connection }: WireSession): number {
  return (connection.state as { readonly calls: readonly number[] }).calls[0] as number;
}

/** The number that the dealer has for it. */
function firstCallOf(caller: WireSession): number {
  return invocationId(caller.id, callNumber(caller));
}

test("sessions begin to number their calls anywhere: two that share an inbox hardly ever have the same number open", async () => {
  const app = await start();
  const [callee, ...callers] = (await join(app, 9)) as [WireSession, ...WireSession[]];
  await callee.ask(type.REGISTER, {}, procedure);
  for (const caller of callers) await caller.send([type.CALL, 1, {}, procedure]);
  expect(new Set(callers.map(callNumber)).size).toBeGreaterThan(1);
});

test("the handler's own procedures answer; what they throw undoes what they did, and is told by its URI alone", async () => {
  const app = await start({
    procedures: {
      "com.example.add": (_session, { args: [a, b] }) => (a as number) + (b as number),
      "com.example.both": () => new WampResult([1, 2], { three: 3 }),
      "com.example.nothing": () => undefined,
      "com.example.refuse": () => new WampError("com.example.error.refused", [1]),
      "com.example.throw": () => {
        throw new WampError("com.example.error.thrown", [], { why: "because" });
      },
      "com.example.bug": () => {
        throw new Error("secret");
      },
      async "com.example.steps"(_session, { progress }) {
        await progress(1);
        await progress(2);
        return 3;
      },
    },
    onCall: (_session, { procedure: called, args }) => (called.startsWith("com.dynamic.") ? [called, ...args] : undefined),
  });
  const [ada] = (await join(app, 1)) as [WireSession];
  expect(await ada.ask(type.CALL, {}, "com.example.add", [2, 3])).toEqual([type.RESULT, 1, {}, [5]]);
  expect(await ada.ask(type.CALL, {}, "com.example.both")).toEqual([type.RESULT, 2, {}, [1, 2], { three: 3 }]);
  expect(await ada.ask(type.CALL, {}, "com.example.nothing")).toEqual([type.RESULT, 3, {}]);
  expect(await ada.ask(type.CALL, {}, "com.example.refuse")).toEqual([type.ERROR, type.CALL, 4, {}, "com.example.error.refused", [1]]);
  const thrown = [type.ERROR, type.CALL, 5, {}, "com.example.error.thrown", [], { why: "because" }];
  expect(await ada.ask(type.CALL, {}, "com.example.throw")).toEqual(thrown);
  expect(await ada.ask(type.CALL, {}, "com.example.bug")).toEqual([
    type.ERROR,
    type.CALL,
    6,
    {},
    "wamp.error.runtime_error",
    [expect.any(String)],
  ]);
  expect(await ada.ask(type.CALL, {}, "com.dynamic.x", [1])).toEqual([type.RESULT, 7, {}, [["com.dynamic.x", 1]]]);
  expect(await ada.ask(type.CALL, {}, "com.example.missing")).toEqual([
    type.ERROR,
    type.CALL,
    8,
    {},
    "wamp.error.no_such_procedure",
    [expect.any(String)],
  ]);
  expect(await ada.ask(type.CALL, { receive_progress: true }, "com.example.steps")).toEqual([type.RESULT, 9, { progress: true }, [1]]);
  expect([await ada.next(), await ada.next()]).toEqual([
    [type.RESULT, 9, { progress: true }, [2]],
    [type.RESULT, 9, {}, [3]],
  ]);
  expect((await ada.ask(type.REGISTER, {}, "com.example.add"))[4]).toBe("wamp.error.procedure_already_exists");
});

test("a worker that dies in the middle of a call doubles no progressive result, whatever else is flushed", async () => {
  const runs: number[] = [];
  const app = await start({
    procedures: {
      async "com.example.steps"({ conn, turn }, { progress, args: [crash] }) {
        runs.push(turn.flushed);
        for (let step = 1; step <= 3; step++) {
          await conn.flush();
          if (step === crash && turn.flushed === 2 * step - 1 && runs.length < 3) app.crashNext("after flush");
          await progress(step);
        }
        if (crash === "throw") throw new WampError("com.example.error");
        return "done";
      },
    },
  });
  const [ada] = (await join(app, 1)) as [WireSession];
  const call = async (crash: unknown) => {
    await ada.send([type.CALL, 7, { receive_progress: true }, "com.example.steps", [crash]]);
    return (await ada.rest()).map((message) => message.at(-1));
  };
  expect(await call(1)).toEqual([[1], [2], [3], ["done"]]);
  expect(runs).toEqual([0, 2]);
  expect(await call(2)).toEqual([[1], [2], [3], ["done"]]);
  expect(await call("throw")).toEqual([[1], [2], [3], "com.example.error"]);
  expect(await call(0)).toEqual([[1], [2], [3], ["done"]]);
});

test("a call goes to its callee and the result to its caller, through deploys and crashes of workers", async () => {
  const app = await start();
  const { caller, callee, id, invocation } = await open(app);
  expect(invocation.slice(3)).toEqual([{}, ["a"], { b: 1 }]);
  await app.deploy(wamp({ path: "/ws", realms: ["realm1"] }));
  await app.crash();
  app.crashNext("before commit");
  await callee.send([type.YIELD, id, {}, ["done"]]);
  expect(await caller.next()).toEqual([type.RESULT, 7, {}, ["done"]]);
  await caller.send([type.CALL, 8, {}, procedure]);
  const [, second] = await callee.next(type.INVOCATION);
  await callee.send([type.ERROR, type.INVOCATION, second, { n: 1 }, "com.example.error", ["no"], { b: 2 }]);
  expect(await caller.next()).toEqual([type.ERROR, type.CALL, 8, { n: 1 }, "com.example.error", ["no"], { b: 2 }]);
  // Once.
  await callee.send([type.YIELD, id, {}]);
  expect(await caller.rest()).toEqual([]);
});

test("progressive results come while the call is open, to those that want them", async () => {
  const app = await start();
  const { caller, callee, id, invocation } = await open(app, { receive_progress: true });
  expect(invocation[3]).toEqual({ receive_progress: true });
  for (const n of [1, 2]) await callee.send([type.YIELD, id, { progress: true }, [n]]);
  await callee.send([type.YIELD, id, {}, [3]]);
  const results = [await caller.next(), await caller.next(), await caller.next()];
  expect(results.map(([, , details, args]) => [details, args])).toEqual([
    [{ progress: true }, [1]],
    [{ progress: true }, [2]],
    [{}, [3]],
  ]);
});

/** What the turn of a message asks for, the session's own state aside. */
async function effectsOf({ connection }: WireSession, send: () => Promise<void>) {
  const before = connection.commits.length;
  await send();
  return connection.commits
    .slice(before)
    .flat()
    .filter(({ type: of }) => of !== "setState").length;
}

test.each([
  ["that has ended", async ({ callee, id }: Opened) => callee.send([type.YIELD, id, {}, ["done"]]), { receive_progress: true }],
  ["that has failed", async ({ callee, id }: Opened) => callee.send([type.ERROR, type.INVOCATION, id, {}, "com.example.error"]), {}],
  ["that was skipped", async ({ caller }: Opened) => caller.send([type.CANCEL, 7, { mode: "skip" }]), { receive_progress: true }],
  ["that was canceled", async ({ caller }: Opened) => caller.send([type.CANCEL, 7, {}]), {}],
  ["whose caller has left", async ({ caller }: Opened) => caller.connection.close(1006), {}],
])("an answer to a call %s is a turn of nobody's", async (_, end, options) => {
  const opened = await open(await start(), options);
  const { callee, id } = opened;
  await end(opened);
  await callee.rest();
  for (const late of [{}, { progress: true }]) expect(await effectsOf(callee, () => callee.send([type.YIELD, id, late, ["late"]]))).toBe(0);
  expect(await effectsOf(callee, () => callee.send([type.ERROR, type.INVOCATION, id, {}, "com.example.error"]))).toBe(0);
});

test("a progressive result that nobody wants is a turn of nobody's", async () => {
  const { caller, callee, id } = await open(await start());
  expect(await effectsOf(callee, () => callee.send([type.YIELD, id, { progress: true }, ["unwanted"]]))).toBe(0);
  await callee.send([type.YIELD, id, {}, ["done"]]);
  expect((await caller.next()).at(-1)).toEqual(["done"]);
});

test("a YIELD or an ERROR of a session that was not called reaches nobody", async () => {
  const app = await start();
  const { caller, callee, id } = await open(app, { receive_progress: true });
  const [eve] = (await join(app, 1)) as [WireSession];
  for (const options of [{}, { progress: true }])
    expect(await effectsOf(eve, () => eve.send([type.YIELD, id, options, ["forged"]]))).toBe(0);
  expect(await effectsOf(eve, () => eve.send([type.ERROR, type.INVOCATION, id, {}, "com.example.error"]))).toBe(0);
  expect(await effectsOf(callee, () => callee.send([type.YIELD, id, { progress: true }, ["right"]]))).toBe(1);
  // It has been called, by others.
  await callee.send([type.CALL, 1, {}, procedure]);
  await eve.ask(type.REGISTER, {}, "com.example.other");
  await callee.send([type.CALL, 2, {}, "com.example.other"]);
  await eve.next(type.INVOCATION);
  for (const forged of [id + 1, firstCallOf(caller)])
    expect(await effectsOf(eve, () => eve.send([type.YIELD, forged, {}, ["forged"]]))).toBe(0);
  await callee.send([type.YIELD, id, {}, ["done"]]);
  expect((await caller.rest()).map((message) => message.at(-1))).toEqual([["right"], ["done"]]);
});

test("a callee has its invocations numbered from 1, whoever calls: clients ignore a lower one", async () => {
  const app = await start();
  const { caller, callee, id } = await open(app);
  const others = await join(app, 3);
  const numbers = [id];
  for (const other of others) {
    await other.send([type.CALL, 7, {}, procedure]);
    numbers.push((await callee.next(type.INVOCATION))[1] as number);
  }
  expect(numbers).toEqual([1, 2, 3, 4]);
  for (const number of numbers.toReversed()) await callee.send([type.YIELD, number, {}, [number]]);
  const results = await Promise.all([caller, ...others].map((session) => session.next()));
  expect(results).toEqual(numbers.map((number) => [type.RESULT, 7, {}, [number]]));
});

test("a callee of a release that gave invocations other numbers answers them, and the next ones are numbered from 1", async () => {
  const app = await start({ onUnsubscribe: (session) => session.update({ invoked: undefined } as never) });
  const { caller, callee } = await open(app);
  await callee.ask(type.SUBSCRIBE, {}, "com.example.topic");
  await callee.ask(type.UNSUBSCRIBE, routerId(scopeOf("/ws", "realm1"), "exact", "com.example.topic"));
  await callee.send([type.YIELD, firstCallOf(caller), {}, ["old"]]);
  expect(await caller.next()).toEqual([type.RESULT, 7, {}, ["old"]]);
  await caller.send([type.CALL, 8, {}, procedure]);
  expect((await callee.next(type.INVOCATION))[1]).toBe(1);
});

test("a callee has 400 calls open at most, numbered one behind the other: the next caller is told to try again", async () => {
  const app = await start();
  const { caller, callee, id } = await open(app);
  const others = await join(app, 4);
  const most = others.flatMap((other, index) => Array.from({ length: index === 3 ? 99 : 100 }, () => other));
  for (const [index, other] of most.entries()) await other.send([type.CALL, 1_000 + index, {}, procedure]);
  const numbers = (await callee.rest()).map(([, request]) => request);
  expect([id, ...numbers]).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
  const last = others.at(-1) as WireSession;
  expect((await last.ask(type.CALL, {}, procedure)).slice(4)).toEqual(["wamp.error.unavailable", [expect.stringContaining("400")]]);
  await callee.send([type.YIELD, id, {}, ["done"]]);
  expect((await caller.next()).at(-1)).toEqual(["done"]);
  await last.send([type.CALL, 7, {}, procedure]);
  expect((await callee.next(type.INVOCATION))[1]).toBe(401);
});

test("one procedure has one callee; with invoke, several, by the same rule", async () => {
  const app = await start();
  const [ada, bob, eve] = (await join(app, 3)) as [WireSession, WireSession, WireSession];
  await ada.ask(type.REGISTER, {}, procedure);
  const exists = "wamp.error.procedure_already_exists";
  expect((await bob.ask(type.REGISTER, {}, procedure))[4]).toBe(exists);
  expect((await ada.ask(type.REGISTER, { invoke: "first" }, procedure))[4]).toBe(exists);
  for (const invoke of ["first", "last", "roundrobin", "random"]) {
    const shared = `com.example.${invoke}`;
    const [, , id] = await ada.ask(type.REGISTER, { invoke }, shared);
    expect((await bob.ask(type.REGISTER, { invoke }, shared))[2]).toBe(id);
    const other = invoke === "first" ? "last" : "first";
    expect((await eve.ask(type.REGISTER, { invoke: other }, shared))[4]).toMatch(/different_invocation_policy$/);
    const called: string[] = [];
    for (let count = 0; count < 4; count++) {
      const before = [ada.messages.length, bob.messages.length];
      await eve.send([type.CALL, 100 + count, {}, shared]);
      await vi.waitFor(() => expect(ada.messages.length + bob.messages.length).toBe((before[0] as number) + (before[1] as number) + 1));
      called.push(ada.messages.length > (before[0] as number) ? "ada" : "bob");
      const callee = called.at(-1) === "ada" ? ada : bob;
      await callee.send([type.YIELD, (await callee.next(type.INVOCATION))[1], {}]);
      await eve.next(type.RESULT);
    }
    if (invoke === "first") expect(called).toEqual(["ada", "ada", "ada", "ada"]);
    if (invoke === "last") expect(called).toEqual(["bob", "bob", "bob", "bob"]);
    if (invoke === "roundrobin") expect(called).toEqual(["ada", "bob", "ada", "bob"]);
  }
});

/** Who of them gets this call, and answers it. */
async function calledBy(caller: WireSession, callees: readonly WireSession[], uri = procedure): Promise<number> {
  const before = callees.map(({ messages }) => messages.length);
  await caller.send([type.CALL, 500, {}, uri]);
  const isCalled = ({ messages }: WireSession, index: number) => messages.length > (before[index] as number);
  await vi.waitFor(() => expect(callees.filter(isCalled)).toHaveLength(1));
  const called = callees.findIndex(isCalled);
  const callee = callees[called] as WireSession;
  await callee.send([type.YIELD, (await callee.next(type.INVOCATION))[1], {}]);
  await caller.next(type.RESULT);
  return called;
}

test("roundrobin goes round in each registration by itself", async () => {
  const app = await start();
  const [ada, bob, eve] = (await join(app, 3)) as [WireSession, WireSession, WireSession];
  for (const match of ["exact", "prefix"])
    for (const callee of [ada, bob]) await callee.ask(type.REGISTER, { match, invoke: "roundrobin" }, procedure);
  const called: number[] = [];
  for (const uri of ["", ".x", "", ".x"]) called.push(await calledBy(eve, [ada, bob], `${procedure}${uri}`));
  expect(called).toEqual([0, 0, 1, 1]);
});

test("first and last are by when this pattern was registered, and not the session's first one", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const app = await start();
    const [ada, bob, eve] = (await join(app, 3)) as [WireSession, WireSession, WireSession];
    const register = async (callee: WireSession, invoke: string, uri: string) => {
      expect((await callee.ask(type.REGISTER, { match: "prefix", invoke }, uri))[0]).toBe(type.REGISTERED);
      vi.setSystemTime(Date.now() + 10);
    };
    await register(bob, "single", "com.other");
    for (const invoke of ["first", "last"]) for (const callee of [ada, bob]) await register(callee, invoke, `com.${invoke}`);
    expect(await calledBy(eve, [ada, bob], "com.first.x")).toBe(0);
    expect(await calledBy(eve, [ada, bob], "com.last.x")).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});

test("two that have registered the same while a gateway was silent: the first one is called", async () => {
  let isSilent = true;
  let seen = 0;
  const app = await start({
    onJoin({ turn }) {
      const { members } = turn.app;
      if (++seen === 1) Object.assign(turn.app, { members: (name: string) => (isSilent ? Promise.resolve([]) : members(name)) });
    },
  });
  const [ada, bob, eve] = (await join(app, 3)) as [WireSession, WireSession, WireSession];
  for (const callee of [ada, bob]) expect((await callee.ask(type.REGISTER, {}, procedure))[0]).toBe(type.REGISTERED);
  isSilent = false;
  for (let count = 0; count < 3; count++) expect(await calledBy(eve, [ada, bob])).toBe(0);
});

test("the number of an open call is not given to another one", async () => {
  const app = await start({ onCall: (session) => session.update({ lastCall: 2 ** 24 - 2 }) });
  const { caller, callee, id } = await open(app);
  await caller.send([type.CALL, 8, {}, procedure]);
  const [, next] = await callee.next(type.INVOCATION);
  const { calls } = caller.connection.state as { calls: readonly number[] };
  expect([calls[0], calls[calls.length / 2]]).toEqual([2 ** 24 - 1, 1]);
  for (const invocation of [next, id]) await callee.send([type.YIELD, invocation, {}]);
  expect([await caller.next(), await caller.next()].map(([, request]) => request)).toEqual([8, 7]);
});

test("a fault that is no request's ends the session with 1011: the client may come again", async () => {
  const app = await start({ onJoin: () => Promise.reject(new Error("no database")) });
  const ada = await WireSession.open(app);
  await ada.send([type.HELLO, "realm1", { roles: { caller: {} } }]);
  expect(ada.messages).toEqual([[type.ABORT, { message: "handler.thrown" }, "wamp.error.runtime_error"]]);
  expect(ada.connection.closed?.code).toBe(1011);
});

test("a call is routed to the best of the patterns that match it, and says what was called", async () => {
  const app = await start();
  const [callee, caller] = (await join(app, 2)) as [WireSession, WireSession];
  const registered: Array<[string, string]> = [
    ["exact", "a1.b2.c3.d4.e55"],
    ["prefix", "a1.b2.c3"],
    ["prefix", "a1.b2.c3.d4"],
    ["wildcard", "a1.b2..d4.e5"],
    ["wildcard", "a1.b2.c33..e5"],
    ["wildcard", "a1.b2..d4.e5..g7"],
    ["wildcard", "a1.b2..d4..f6.g7"],
  ];
  const ids: unknown[] = [];
  for (const [match, uri] of registered) ids.push((await callee.ask(type.REGISTER, { match }, uri))[2]);
  expect((await caller.ask(type.REGISTER, { match: "prefix" }, "a1.b2.c3"))[4]).toBe("wamp.error.procedure_already_exists");
  const cases = [
    ["a1.b2.c3.d4.e55", 0],
    ["a1.b2.c3.d98.e74", 1],
    ["a1.b2.c3.d4.e325", 2],
    ["a1.b2.c55.d4.e5", 3],
    ["a1.b2.c33.d4.e5", 4],
    ["a1.b2.c88.d4.e5.f6.g7", 5],
  ] as const;
  for (const [called, index] of cases) {
    await caller.send([type.CALL, 50 + index, {}, called]);
    const [, id, registration, details] = await callee.next(type.INVOCATION);
    expect([registration, details]).toEqual([ids[index], index === 0 ? {} : { procedure: called }]);
    await callee.send([type.YIELD, id, {}]);
    await caller.next(type.RESULT);
  }
  expect((await caller.ask(type.CALL, {}, "a2.b2.c2.d2.e2"))[4]).toBe("wamp.error.no_such_procedure");
  expect(await callee.ask(type.UNREGISTER, ids[1])).toEqual([type.UNREGISTERED, 8]);
  expect((await callee.ask(type.UNREGISTER, ids[1]))[4]).toBe("wamp.error.no_such_registration");
  expect((await callee.ask(type.UNREGISTER, ids[0]))[0]).toBe(type.UNREGISTERED);
  // It was known a moment ago: who is no callee any more says so.
  await caller.send([type.CALL, 60, {}, "a1.b2.c3.d4.e55"]);
  const [, , registration] = await callee.next(type.INVOCATION);
  expect(registration).toBe(ids[2]);
});

test("who calls is told where the caller or the callee wants it", async () => {
  const app = await start();
  const told = async (options: object, register: object) => {
    const { caller, callee, invocation } = await open(app, options, register);
    await Promise.all([caller, callee].map((session) => session.connection.close()));
    return [invocation[3], { caller: caller.id, caller_authid: expect.any(String), caller_authrole: "anonymous" }];
  };
  const [plain] = await told({}, {});
  expect(plain).toEqual({});
  const [asCaller, caller] = await told({ disclose_me: true }, {});
  expect(asCaller).toEqual(caller);
  const [asCallee, other] = await told({}, { disclose_caller: true });
  expect(asCallee).toEqual(other);
});

test("CANCEL: skip, kill and killnowait", async () => {
  const app = await start();
  const canceled: WampMessage = [type.ERROR, type.CALL, 7, {}, "wamp.error.canceled"];
  for (const mode of ["skip", "killnowait", "kill"]) {
    const { caller, callee, id } = await open(app);
    await caller.send([type.CANCEL, 7, { mode }]);
    if (mode !== "kill") expect((await caller.next()).slice(0, 5)).toEqual(canceled);
    if (mode === "skip") expect(await callee.rest()).toEqual([]);
    else expect((await callee.next()).slice(0, 3)).toEqual([type.INTERRUPT, id, { mode, reason: "wamp.error.canceled" }]);
    expect(await caller.rest()).toEqual([]);
    await callee.send([type.ERROR, type.INVOCATION, id, {}, "wamp.error.canceled"]);
    if (mode === "kill") expect(await caller.next()).toEqual(canceled);
    expect(await caller.rest()).toEqual([]);
    await callee.connection.close();
  }
});

test("a callee that leaves ends its calls, a caller that leaves interrupts them", async () => {
  const app = await start();
  const first = await open(app);
  await first.callee.connection.close(1006);
  expect(await first.caller.next()).toEqual([type.ERROR, type.CALL, 7, {}, "wamp.error.canceled", [expect.any(String)]]);
  expect((await first.caller.ask(type.CALL, {}, procedure))[4]).toBe("wamp.error.no_such_procedure");
  const second = await open(app);
  await second.caller.connection.close(1006);
  const [, id, options] = await second.callee.next(type.INTERRUPT);
  expect([id, options]).toEqual([second.id, { mode: "killnowait", reason: "wamp.error.canceled" }]);
});

test("what a session that leaves owes others they get once, also where onLeave throws or its worker dies", async () => {
  let runs = 0;
  const app = await start({
    onLeave() {
      runs++;
      throw new Error("no database");
    },
  });
  for (const point of [undefined, "after flush"] as const) {
    const { caller, callee } = await open(app);
    await caller.ask(type.SUBSCRIBE, {}, "wamp.session.on_leave");
    if (point !== undefined) app.crashNext(point);
    await callee.connection.close(1006);
    const got = await caller.rest();
    expect(got.filter(([code]) => code === type.ERROR).map((message) => message[4])).toEqual(["wamp.error.canceled"]);
    expect(got.filter(([code]) => code === type.EVENT)).toHaveLength(1);
    expect(got).toHaveLength(2);
    await caller.connection.close();
  }
  expect(runs).toBe(4);
});

test("a call times out, and one whose callee is gone without a word ends", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const app = await start();
    const advance = (ms: number) => {
      vi.setSystemTime(Date.now() + ms);
      app.advance(ms);
    };
    const { caller, callee, id } = await open(app, { timeout: 300 });
    advance(310);
    expect(await caller.next()).toEqual([type.ERROR, type.CALL, 7, {}, "wamp.error.timeout", [expect.any(String)]]);
    expect((await callee.next())[1]).toBe(id);
    await caller.send([type.CALL, 8, {}, procedure]);
    await callee.next(type.INVOCATION);
    advance(1_100);
    advance(6_000);
    expect(await caller.rest()).toEqual([]);
    expect(caller.connection.state).toMatchObject({ calls: expect.arrayContaining([8, callee.id]) });
    await callee.connection.close();
    expect(await caller.next()).toEqual([type.ERROR, type.CALL, 8, {}, "wamp.error.canceled", [expect.any(String)]]);
  } finally {
    vi.useRealTimers();
  }
});

test("a callee that is none any more, in another worker's eyes, says so: the call goes to who is one now", async () => {
  const app = await start();
  const { caller, callee } = await open(app);
  const other = await WireSession.join(app);
  await other.ask(type.REGISTER, {}, "com.example.other");
  const stale = {
    match: "exact",
    registered: "com.example.gone",
    procedure: "com.example.other",
    caller: {},
    options: {},
    payload: [["a"]],
  };
  app.publish(
    topics.inbox(scopeOf("/ws", "realm1"), callee.id),
    pack({ kind: "invocation", to: callee.id, invocation: firstCallOf(caller), ...stale }),
  );
  const [, again, , , args] = await other.next(type.INVOCATION);
  expect(args).toEqual(["a"]);
  await other.send([type.YIELD, again, {}, ["b"]]);
  expect(await caller.next()).toEqual([type.RESULT, 7, {}, ["b"]]);
});

test("a call that goes to somebody else has what is left of its timeout", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const app = await start();
    const { caller, callee } = await open(app, { timeout: 300 });
    const advance = (ms: number) => {
      vi.setSystemTime(Date.now() + ms);
      app.advance(ms);
    };
    const [other] = (await join(app, 1)) as [WireSession];
    await other.ask(type.REGISTER, {}, "com.example.other");
    advance(200);
    const again = {
      kind: "not registered",
      from: callee.id,
      invocation: firstCallOf(caller),
      options: { timeout: 300 },
      procedure: "com.example.other",
    };
    app.publish(topics.inbox(scopeOf("/ws", "realm1"), caller.id), pack({ ...again, payload: [] }));
    await other.next(type.INVOCATION);
    advance(110);
    expect((await caller.next()).slice(0, 5)).toEqual([type.ERROR, type.CALL, 7, {}, "wamp.error.timeout"]);
  } finally {
    vi.useRealTimers();
  }
});

test("what has grown too large for who gets it ends the call, and nobody's session", async () => {
  const app = await start();
  const tooLarge = [type.ERROR, type.CALL, 7, {}, "wamp.error.payload_size_exceeded", [expect.any(String)]];
  // Six times as long in JSON.
  const text = "\u0001".repeat(200_000);
  const large = await WireSession.join(app, { serializer: "msgpack" });
  const [small] = (await join(app, 1)) as [WireSession];
  await small.ask(type.REGISTER, {}, "com.example.small");
  await large.ask(type.REGISTER, {}, "com.example.large");
  await large.send([type.CALL, 7, {}, "com.example.small", [text]]);
  expect(await large.next()).toEqual(tooLarge);
  for (const [code, options] of [
    [type.YIELD, {}],
    [type.YIELD, { progress: true }],
    [type.ERROR, {}],
  ] as const) {
    await small.send([type.CALL, 7, { receive_progress: true }, "com.example.large"]);
    const [, id] = await large.next(type.INVOCATION);
    await large.send(code === type.ERROR ? [code, type.INVOCATION, id, {}, "com.example.error", [text]] : [code, id, options, [text]]);
    expect(await small.next()).toEqual(tooLarge);
    if ("progress" in options) expect((await large.next())[0]).toBe(type.INTERRUPT);
    await large.send([type.YIELD, id, {}, ["late"]]);
    expect(await small.rest()).toEqual([]);
  }
  // More than the turn of a callee may pass on.
  await small.send([type.CALL, 7, {}, "com.example.large"]);
  await large.send([type.YIELD, (await large.next(type.INVOCATION))[1], {}, ["x".repeat(800_000)]]);
  expect(await small.next()).toEqual(tooLarge);
  expect([...small.connection.errors, ...large.connection.errors]).toEqual([]);
});

test("a session that is ended for a reason too long for it is told without", async () => {
  const app = await start({ onMeta: () => true });
  const large = await WireSession.join(app, { serializer: "msgpack" });
  const [small] = (await join(app, 1)) as [WireSession];
  await large.ask(type.CALL, {}, "wamp.session.kill", [small.id], { message: "\u0001".repeat(200_000) });
  expect(await small.next()).toEqual([type.GOODBYE, {}, "wamp.close.killed"]);
  expect(small.connection.closed?.code).toBe(1000);
});

test("a call that has to go to somebody else, while no gateway says to whom, ends as unavailable, and the session goes on", async () => {
  let isAway = false;
  let seen = 0;
  const app = await start({
    onJoin({ turn }) {
      const { members } = turn.app;
      const away = new CodedError("app.noGateway", "no gateway is heard");
      if (++seen === 1) Object.assign(turn.app, { members: (name: string) => (isAway ? Promise.reject(away) : members(name)) });
    },
  });
  const { caller, callee } = await open(app);
  const gone = { match: "exact", registered: "com.example.gone", procedure: "com.example.gone", caller: {}, options: {}, payload: [] };
  isAway = true;
  app.publish(
    topics.inbox(scopeOf("/ws", "realm1"), callee.id),
    pack({ kind: "invocation", to: callee.id, invocation: firstCallOf(caller), ...gone }),
  );
  expect(await caller.next()).toEqual([type.ERROR, type.CALL, 7, {}, "wamp.error.unavailable", [expect.any(String)]]);
  expect(await caller.rest()).toEqual([]);
});

test("of two that register the same at the same moment, one does", async () => {
  const app = await start();
  const sessions = await join(app, 3);
  const answers = await Promise.all(sessions.map((session) => session.ask(type.REGISTER, {}, procedure)));
  expect(answers.filter(([code]) => code === type.REGISTERED)).toHaveLength(1);
});

test("a callee tells all its callers that it leaves", async () => {
  const app = await start();
  const { caller, callee } = await open(app);
  const others = await join(app, 3);
  for (const other of others) await other.send([type.CALL, 7, {}, procedure]);
  await callee.connection.close(1006);
  const canceled = [type.ERROR, type.CALL, 7, {}, "wamp.error.canceled", [expect.any(String)]];
  expect(await Promise.all([caller, ...others].map((session) => session.next()))).toEqual([canceled, canceled, canceled, canceled]);
  expect((await caller.ask(type.CALL, {}, procedure))[4]).toBe("wamp.error.no_such_procedure");
});

test("what is open is bounded: the next call is refused, and one comes to its end", async () => {
  const app = await start();
  const { caller, callee, id } = await open(app);
  for (let count = 0; count < 99; count++) await caller.send([type.CALL, 1_000 + count, {}, procedure]);
  expect((await caller.ask(type.CALL, {}, procedure))[4]).toBe("wamp.error.unavailable");
  await callee.send([type.YIELD, id, {}]);
  expect((await caller.next())[0]).toBe(type.RESULT);
});

// Who is let in, and what breaks the protocol in which state.

import { createHmac } from "node:crypto";
import { expect, test, vi } from "vitest";
import { testHandler } from "../../../testing.ts";
import { onWarning, type Warning } from "../../../warnings.ts";
import { isId, randomId } from "../messages/identifiers.ts";
import { type Dict, type } from "../messages/messages.ts";
import { WireSession } from "../testing/wire-session.ts";
import { deriveKey, wamp } from "../wamp.ts";

const warnings: Warning[] = [];
onWarning((...warning) => warnings.push(warning));

const roles = { subscriber: {} };
const start = (hooks: Partial<Parameters<typeof wamp>[0]> = {}) => testHandler(wamp({ path: "/ws", realms: ["realm1"], ...hooks }));

async function hello(app: Awaited<ReturnType<typeof start>>, details: Dict, realm = "realm1", cookies = {}): Promise<WireSession> {
  const session = await WireSession.open(app, { cookies });
  await session.send([type.HELLO, realm, { roles, ...details }]);
  return session;
}

test("anybody is welcome where nothing else is said, with a random session id, and what the router can do", async () => {
  const app = await start();
  const [, id, details] = await (await hello(app, {})).next();
  expect(id).toBeGreaterThan(0);
  expect(details).toMatchObject({ realm: "realm1", authrole: "anonymous", authmethod: "anonymous" });
  const { broker, dealer } = (details as { roles: Record<string, Dict> }).roles;
  expect([broker, dealer]).toEqual([{ features: expect.anything() }, { features: expect.anything() }]);
});

test("ids are of the whole range, and none that Math.random foretells", async () => {
  const random = vi.spyOn(Math, "random").mockReturnValue(0.5);
  try {
    const ids = Array.from({ length: 1_000 }, () => randomId());
    expect(ids.every(isId)).toBe(true);
    expect(new Set(ids).size).toBe(1_000);
    expect(Math.max(...ids)).toBeGreaterThan(2 ** 52);
    expect(random).not.toHaveBeenCalled();
  } finally {
    random.mockRestore();
  }
});

test("a cookie's user is the authid, whatever HELLO says", async () => {
  const app = await start({
    authenticate: { cookie: ({ user }) => (user === undefined ? undefined : { authrole: "user" }) },
    onUpgrade: ({ cookies }) => ({ user: cookies.name }),
  });
  const joe = await hello(app, { authmethods: ["cookie"], authid: "admin" }, "realm1", { name: "joe" });
  expect((await joe.next())[2]).toMatchObject({ authid: "joe", authrole: "user" });
});

test("limits are those of any handler", () => {
  expect(wamp({ path: "/ws", realms: ["realm1"], limits: { messages: "50/1s" } })).toMatchObject({
    limits: { messages: { count: 50, ms: 1000 } },
  });
});

test("an option that there is not is refused: a hook with a wrong name would refuse nobody", () => {
  const misspelt = { path: "/ws", realms: ["realm1"], onPublsh: () => false };
  expect(() => wamp(misspelt)).toThrow(/^handler.invalid: WAMP has no option onPublsh: it has path, prefix, realms, /);
});

test("a router without realms, which nobody could join, is refused", () => {
  for (const realms of [undefined, [], "realm1"])
    expect(() => wamp({ path: "/ws", realms } as never)).toThrow(/^handler.invalid: WAMP wants realms/);
});

test("without a subprotocol that it knows, the handshake is refused; what comes with a cookie is known by it", async () => {
  const app = await start({
    authenticate: { cookie: ({ user }) => (user === undefined ? undefined : { authrole: "user", authid: user }) },
    onUpgrade: ({ cookies }) => ({ user: cookies.name }),
  });
  expect((await app.refused("/ws", { subprotocols: ["wamp.2.cbor"] })).status).toBe(400);
  const ada = await hello(app, { authmethods: ["wampcra", "cookie"] }, "realm1", { name: "ada" });
  expect((await ada.next())[2]).toMatchObject({ authid: "ada", authrole: "user", authmethod: "cookie" });
  const nobody = await hello(app, { authmethods: ["cookie"] });
  expect(await nobody.next()).toEqual([type.ABORT, expect.anything(), "wamp.error.authentication_failed"]);
  const other = await hello(app, { authmethods: ["ticket"] });
  expect((await other.next())[2]).toBe("wamp.error.no_matching_auth_method");
  expect(other.connection.closed?.code).toBe(3000);
});

test("no methods, in whatever words, are anonymous", async () => {
  const app = await start();
  for (const details of [{}, { authmethods: null }, { authmethods: [] }])
    expect((await (await hello(app, details)).next())[2]).toMatchObject({ authmethod: "anonymous" });
});

test("a ticket is checked; what is wrong is told to nobody", async () => {
  const expiresAt = new Date(Date.now() + 60_000);
  const app = await start({
    authenticate: { ticket: ({ authid }, ticket) => (ticket === "right" ? { authrole: `of ${authid}`, expiresAt } : undefined) },
  });
  for (const ticket of ["right", "wrong"]) {
    const session = await hello(app, { authmethods: ["ticket"], authid: "joe" });
    expect(await session.next()).toEqual([type.CHALLENGE, "ticket", {}]);
    await session.send([type.AUTHENTICATE, ticket, {}]);
    const [code, , details] = await session.next();
    if (ticket === "wrong") expect([code, details]).toEqual([type.ABORT, "wamp.error.authentication_failed"]);
    else {
      expect(details).toMatchObject({ authid: "joe", authrole: "of joe", authmethod: "ticket" });
      expect([session.connection.user, session.connection.expiresAt]).toEqual(["joe", expiresAt]);
    }
  }
});

test.each(["anonymous", "ticket"])("a worker that dies behind a flush of onJoin ends no session: %s", async (method) => {
  const joins: string[] = [];
  const app = await start({
    authenticate: { anonymous: () => ({ authrole: "guest" }), ticket: () => ({ authrole: "user" }) },
    async onJoin({ conn, authrole, turn }) {
      joins.push(`${authrole} ${turn.redelivered}`);
      await conn.flush();
    },
  });
  const watch = await WireSession.join(app);
  await watch.ask(type.SUBSCRIBE, {}, "wamp.session.on_join");
  joins.length = 0;
  const ada = await WireSession.open(app);
  if (method === "anonymous") app.crashNext("after flush");
  await ada.send([type.HELLO, "realm1", { roles, authmethods: [method] }]);
  if (method === "ticket") {
    await ada.next(type.CHALLENGE);
    app.crashNext("after flush");
    await ada.send([type.AUTHENTICATE, "it", {}]);
  }
  const [, id] = await ada.next(type.WELCOME);
  expect(await ada.ask(type.CALL, {}, "wamp.session.count")).toEqual([type.RESULT, 1, {}, [2]]);
  const role = method === "ticket" ? "user" : "guest";
  expect(joins).toEqual([`${role} false`, `${role} true`]);
  expect(await watch.rest()).toEqual([
    [type.EVENT, expect.any(Number), expect.any(Number), {}, [expect.objectContaining({ session: id })]],
  ]);
});

test("WAMP-CRA: the challenge says what is to be signed, also with a salted key", async () => {
  const key = deriveKey("password", "salt123", 100, 32);
  const secrets: Record<string, object> = {
    plain: { secret: "password", authrole: "user" },
    salted: { secret: key, salt: "salt123", iterations: 100, keylen: 32, authrole: "user" },
  };
  const app = await start({ authenticate: { wampcra: ({ authid }) => secrets[authid] as never } });
  for (const [authid, secret] of [
    ["plain", "password"],
    ["salted", key],
    ["plain", "guessed"],
  ] as const) {
    const session = await hello(app, { authmethods: ["wampcra"], authid });
    const [, method, extra] = (await session.next(type.CHALLENGE)) as unknown as [number, string, Record<string, string>];
    const told = JSON.parse(extra.challenge as string);
    expect([method, told.authid, told.authrole, told.authmethod]).toEqual(["wampcra", authid, "user", "wampcra"]);
    expect(extra.salt).toBe(authid === "salted" ? "salt123" : undefined);
    const signature = createHmac("sha256", secret)
      .update(extra.challenge as string)
      .digest("base64");
    await session.send([type.AUTHENTICATE, signature, {}]);
    const [code, id] = await session.next();
    expect(code).toBe(secret === "guessed" ? type.ABORT : type.WELCOME);
    if (code === type.WELCOME) expect(id).toBe(told.session);
  }
  expect((await (await hello(app, { authmethods: ["wampcra"], authid: "nobody" })).next())[0]).toBe(type.ABORT);
});

test("who is not said to have a role and, for WAMP-CRA, a secret, is not let in", async () => {
  let said: unknown;
  const authenticator = () => said as never;
  const app = await start({
    authenticate: { anonymous: authenticator, cookie: authenticator, ticket: authenticator, wampcra: authenticator },
  });
  const aborted = [type.ABORT, expect.anything(), "wamp.error.authentication_failed"];
  const refusals = [undefined, null, false, true, 0, "user", {}, { authrole: undefined }, { secret: "secret" }];
  const withoutSecret = [{ authrole: "user" }, { authrole: "user", secret: "" }, { authrole: "user", secret: null }];
  for (const method of ["anonymous", "cookie", "ticket", "wampcra"]) {
    for (said of [...refusals, ...(method === "wampcra" ? withoutSecret : []), Promise.resolve(false)]) {
      const session = await hello(app, { authmethods: [method], authid: "eve" });
      let answer = await session.next();
      if (answer[0] === type.CHALLENGE) {
        const { challenge = "" } = answer[2] as { challenge?: string };
        await session.send([type.AUTHENTICATE, createHmac("sha256", "").update(challenge).digest("base64"), {}]);
        answer = await session.next();
      }
      expect([method, said, answer]).toEqual([method, said, aborted]);
    }
  }
});

test("realms are those that there are, and roles are told", async () => {
  const app = await start({ realms: async (realm) => realm.startsWith("com.example.") });
  expect((await (await hello(app, {}, "com.example.a")).next())[0]).toBe(type.WELCOME);
  expect((await (await hello(app, {}, "realm1")).next())[2]).toBe("wamp.error.no_such_realm");
  expect((await (await hello(app, {}, "no realm")).next())[2]).toBe("wamp.error.invalid_uri");
  for (const wrong of [{}, { unknown: {} }, { caller: true }]) {
    expect((await (await hello(app, { roles: wrong })).next())[2]).toBe("wamp.error.protocol_violation");
  }
});

test("who may not join is in the log, with what was asked for and what there is, and without a secret", async () => {
  const authenticate = { ticket: () => undefined, wampcra: () => ({ secret: "key", authrole: "user" }) };
  const app = await start({ realms: ["realm1", "realm2"], authenticate });
  warnings.length = 0;
  await hello(app, { authmethods: ["ticket"] }, "relam1");
  await hello(app, { authmethods: ["tikcet", "x".repeat(1_000)] });
  for (const authmethod of ["ticket", "wampcra"]) {
    const session = await hello(app, { authmethods: [authmethod], authid: "joe" });
    await session.send([type.AUTHENTICATE, "secret", {}]);
  }
  const failed = { realm: "realm1", authid: "joe" };
  expect(warnings).toMatchObject([
    [{ code: "wamp.error.no_such_realm", route: "/ws" }, { realm: "relam1", has: "realm1, realm2" }, "WAMP: a client may not join"],
    [{ code: "wamp.error.no_matching_auth_method" }, { authmethods: expect.stringMatching(/^tikcet, x+$/) }, expect.anything()],
    [{ code: "wamp.error.authentication_failed" }, { ...failed, authmethod: "ticket" }, expect.anything()],
    [{ code: "wamp.error.authentication_failed" }, { ...failed, authmethod: "wampcra" }, expect.anything()],
  ]);
  const lines = JSON.stringify(warnings);
  expect(lines).not.toMatch(/secret|key/);
  expect(lines.length).toBeLessThan(1_200);
});

test("what a client says of itself is bounded", async () => {
  const app = await start({ authenticate: { ticket: () => ({ authrole: "user" }) } });
  for (const wrong of [{ authid: "x".repeat(129) }, { authid: "\ud800" }, { authextra: { much: "x".repeat(4_100) } }]) {
    const session = await hello(app, { authmethods: ["ticket"], ...wrong });
    expect((await session.next())[2]).toBe("wamp.error.invalid_argument");
    expect(session.connection.errors).toEqual([]);
  }
});

test("who says nothing is let go", async () => {
  const app = await start();
  const session = await WireSession.open(app);
  app.advance(10_100);
  expect(await session.next()).toEqual([type.ABORT, expect.anything(), "wamp.error.timeout"]);
});

const states: Record<string, (app: Awaited<ReturnType<typeof start>>) => Promise<WireSession>> = {
  opening: (app) => WireSession.open(app),
  authenticating: async (app) => {
    const session = await hello(app, { authmethods: ["ticket"] });
    await session.next(type.CHALLENGE);
    return session;
  },
  joined: (app) => WireSession.join(app),
};
const well: Record<number, unknown[]> = {
  [type.HELLO]: ["realm1", { roles }],
  [type.WELCOME]: [1, {}],
  [type.CHALLENGE]: ["ticket", {}],
  [type.AUTHENTICATE]: ["x", {}],
  [type.GOODBYE]: [{}, "wamp.close.normal"],
  [type.ERROR]: [type.CALL, 1, {}, "com.example.error"],
  [type.PUBLISH]: [1, {}, "com.example.topic"],
  [type.PUBLISHED]: [1, 1],
  [type.SUBSCRIBE]: [1, {}, "com.example.topic"],
  [type.SUBSCRIBED]: [1, 1],
  [type.UNSUBSCRIBE]: [1, 1],
  [type.UNSUBSCRIBED]: [1],
  [type.EVENT]: [1, 1, {}],
  [type.CALL]: [1, {}, "com.example.procedure"],
  [type.CANCEL]: [1, {}],
  [type.RESULT]: [1, {}],
  [type.REGISTER]: [1, {}, "com.example.procedure"],
  [type.REGISTERED]: [1, 1],
  [type.UNREGISTER]: [1, 1],
  [type.UNREGISTERED]: [1],
  [type.INVOCATION]: [1, 1, {}],
  [type.INTERRUPT]: [1, {}],
  [type.YIELD]: [1, {}],
};
const taken: Record<string, readonly number[]> = {
  opening: [type.HELLO],
  authenticating: [type.AUTHENTICATE],
  joined: [
    ...[type.GOODBYE, type.PUBLISH, type.SUBSCRIBE, type.UNSUBSCRIBE, type.CALL, type.CANCEL],
    ...[type.REGISTER, type.UNREGISTER, type.YIELD],
  ],
};

test("every message that has no place in a state is a protocol violation: ABORT, and the connection is closed", async () => {
  const app = await start({ authenticate: { ticket: () => ({ authrole: "user" }), anonymous: () => ({ authrole: "anonymous" }) } });
  for (const [state, open] of Object.entries(states)) {
    for (const [code, elements] of Object.entries(well)) {
      const session = await open(app);
      await session.send([Number(code), ...elements]);
      const isTaken = taken[state]?.includes(Number(code)) === true;
      const closed = isTaken ? (Number(code) === type.GOODBYE ? 1000 : undefined) : 3002;
      expect([state, code, session.connection.closed?.code]).toEqual([state, code, closed]);
      if (!isTaken) expect(session.messages.at(-1)).toEqual([type.ABORT, expect.anything(), "wamp.error.protocol_violation"]);
    }
  }
});

test("what is no message is a protocol violation, and says what is wrong", async () => {
  const app = await start();
  const uri = "com.example.topic";
  const wrong: Array<[unknown, RegExp]> = [
    [{}, /list/],
    [[], /list/],
    [["16", 1, {}, uri], /whole number/],
    [[999, 1], /type 999/],
    [[{ toString: 0 }, 1], /type that is not a whole number/],
    [[16, 0, {}, uri], /Request\|id|Request is of kind id/],
    [[16, 1.5, {}, uri], /id/],
    [[16, 2 ** 53 + 2, {}, uri], /id/],
    [[16, "1", {}, uri], /id/],
    [[16, 1, [], uri], /dict/],
    [[16, 1, null, uri], /dict/],
    [[16, 1, {}, 7], /uri/],
    [[16, 1, {}], /elements/],
    [[16, 1, {}, uri, [], {}, 1], /elements/],
    [[16, 1, {}, uri, {}], /list/],
    [[16, 1, {}, uri, [], []], /dict/],
    [[16, 1, { acknowledge: 1 }, uri], /acknowledge/],
    [[16, 1, { exclude: ["x"] }, uri], /exclude/],
    [[16, 1, { eligible_authrole: "x" }, uri], /eligible_authrole/],
    [[32, 1, { match: "regex" }, uri], /match/],
    [[48, 1, { timeout: -1 }, uri], /timeout/],
    [[49, 1, { mode: "stop" }], /mode/],
    [[64, 1, { invoke: "all" }, uri], /invoke/],
  ];
  for (const [message, what] of wrong) {
    const session = await WireSession.join(app);
    await session.send(message);
    const [code, details, reason] = session.messages.at(-1) ?? [];
    expect([message, code, reason]).toEqual([message, type.ABORT, "wamp.error.protocol_violation"]);
    expect((details as Dict).message).toMatch(what);
  }
  for (const frame of ["{", '"x', new Uint8Array([0x91, 1]), `${"[".repeat(5_000)}${"]".repeat(5_000)}`]) {
    const session = await WireSession.join(app);
    await session.connection.send(frame);
    expect(session.messages.at(-1)?.[2]).toBe("wamp.error.protocol_violation");
    expect(session.connection.errors).toEqual([]);
  }
  // A graph with 2^60 paths in little more than 300 bytes: what each list holds is the one before, twice.
  const graph = Array.from({ length: 60 }, (_, n) => [
    0xd6,
    0x69,
    0,
    0,
    0,
    n + 1,
    ...(n === 0 ? [0x91, 0] : [0x92, 0xd6, 0x70, 0, 0, 0, n, 0xd6, 0x70, 0, 0, 0, n]),
  ]);
  const large = [0x95, 16, 1, 0x80, 0xa3, 0x61, 0x2e, 0x62, 0x91, 0xc7, 9, 0x42, 1, 0, 0, 0, 0, 0, 0, 0, 0];
  for (const frame of [new Uint8Array([0xdc, 0, 60, ...graph.flat()]), new Uint8Array(large)]) {
    const session = await WireSession.join(app, { serializer: "msgpack" });
    await session.connection.send(frame);
    expect(session.messages.at(-1)?.[2]).toBe("wamp.error.protocol_violation");
  }
  for (const frame of ["[16]", new Uint8Array([0xc1]), new Uint8Array([0xd4, 1, 1]), new Uint8Array([0x91, 0xd4, 0x55, 1])]) {
    const session = await WireSession.join(app, { serializer: "msgpack" });
    await session.connection.send(frame);
    expect(session.messages.at(-1)?.[2]).toBe("wamp.error.protocol_violation");
  }
});

test("a request whose number is open is a violation; a client's ABORT ends it without an answer", async () => {
  const app = await start();
  const [caller, callee] = [await WireSession.join(app), await WireSession.join(app)];
  await callee.ask(type.REGISTER, {}, "com.example.procedure");
  await caller.send([type.CALL, 5, {}, "com.example.procedure"]);
  await callee.next(type.INVOCATION);
  await caller.send([type.CALL, 5, {}, "com.example.procedure"]);
  expect(caller.messages.at(-1)?.[2]).toBe("wamp.error.protocol_violation");
  const before = callee.messages.length;
  await callee.send([type.ABORT, {}, "wamp.error.protocol_violation"]);
  expect(callee.connection.closed?.code).toBe(1000);
  expect(callee.messages.length).toBeLessThanOrEqual(before + 1);
});

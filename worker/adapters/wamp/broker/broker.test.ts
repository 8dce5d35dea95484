// Publish and subscribe, as it is on the wire.

import { expect, test, vi } from "vitest";
import { testHandler } from "../../../testing.ts";
import { type Match, routerId } from "../messages/identifiers.ts";
import { type } from "../messages/messages.ts";
import { scopeOf, topics } from "../session/topics.ts";
import { WireSession } from "../testing/wire-session.ts";
import { publishEvent, WampError, wamp } from "../wamp.ts";

const topic = "com.example.topic";
const start = (hooks: Partial<Parameters<typeof wamp>[0]> = {}) =>
  testHandler(wamp({ path: "/ws", realms: ["realm1", "realm2"], ...hooks }));
type Started = Awaited<ReturnType<typeof start>>;
const idOf = (match: Match, uri: string, realm = "realm1") => routerId(scopeOf("/ws", realm), match, uri);

async function join(app: Started, count: number): Promise<WireSession[]> {
  return Promise.all(Array.from({ length: count }, () => WireSession.join(app)));
}

test("an event reaches each subscriber of its realm once, with the same ids for all of one serializer, but not its publisher", async () => {
  const app = await start();
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  const eve = await WireSession.join(app, { serializer: "msgpack" });
  const other = await WireSession.join(app, { realm: "realm2" });
  for (const session of [ada, bob, eve, other]) {
    const subscribed = await session.ask(type.SUBSCRIBE, {}, topic);
    expect(subscribed).toEqual([type.SUBSCRIBED, 1, idOf("exact", topic, session === other ? "realm2" : "realm1")]);
  }
  const published = await ada.ask(type.PUBLISH, { acknowledge: true }, topic, ["hello"], { n: 1 });
  expect(published.slice(0, 2)).toEqual([type.PUBLISHED, 2]);
  const event = [type.EVENT, idOf("exact", topic), published[2], {}, ["hello"], { n: 1 }];
  expect(await bob.next()).toEqual(event);
  expect(await eve.next()).toEqual(event);
  for (const session of [ada, bob, eve, other]) expect(await session.rest()).toEqual([]);
});

test("a subscription that is there already has the same id; after UNSUBSCRIBED nothing comes, and it is unknown", async () => {
  const app = await start();
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  const [, , id] = await ada.ask(type.SUBSCRIBE, {}, topic);
  expect((await ada.ask(type.SUBSCRIBE, {}, topic))[2]).toBe(id);
  expect(await ada.ask(type.UNSUBSCRIBE, id)).toEqual([type.UNSUBSCRIBED, 3]);
  expect(await ada.ask(type.UNSUBSCRIBE, id)).toEqual([
    type.ERROR,
    type.UNSUBSCRIBE,
    4,
    {},
    "wamp.error.no_such_subscription",
    [expect.any(String)],
  ]);
  await bob.ask(type.PUBLISH, { acknowledge: true }, topic);
  expect(await ada.rest()).toEqual([]);
});

test("a worker that dies behind a flush of onUnsubscribe: the subscription has ended, and the client is told so", async () => {
  const app = await start({ onUnsubscribe: ({ conn }) => conn.flush() });
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  for (const options of [{}, { match: "prefix" }]) {
    const [, , id] = await ada.ask(type.SUBSCRIBE, options, topic);
    app.crashNext("after flush");
    expect((await ada.ask(type.UNSUBSCRIBE, id))[0]).toBe(type.UNSUBSCRIBED);
  }
  await bob.ask(type.PUBLISH, { acknowledge: true }, topic);
  expect(await ada.rest()).toEqual([]);
});

test("patterns: an event comes once for each subscription that it matches, with its topic", async () => {
  const app = await start();
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  await ada.ask(type.SUBSCRIBE, { match: "prefix" }, "com.example");
  await ada.ask(type.SUBSCRIBE, { match: "wildcard" }, "com..topic");
  await ada.ask(type.SUBSCRIBE, {}, "com.example.topic");
  await bob.ask(type.PUBLISH, { acknowledge: true }, "com.example.topic", [1]);
  const ids = (["exact", "prefix", "wildcard"] as const).map((match, index) =>
    idOf(match, ["com.example.topic", "com.example", "com..topic"][index] as string),
  );
  const events = [await ada.next(), await ada.next(), await ada.next()];
  expect(events.map(([, id]) => id).sort()).toEqual([...ids].sort());
  expect(new Set(events.map(([, , publication]) => publication)).size).toBe(1);
  expect(events.map(([, , , details]) => details)).toEqual([{}, { topic: "com.example.topic" }, { topic: "com.example.topic" }]);
  await bob.ask(type.PUBLISH, { acknowledge: true }, "com.other.topic", [2]);
  expect((await ada.next())[1]).toBe(ids[2]);
  await ada.ask(type.UNSUBSCRIBE, ids[2]);
  await ada.ask(type.UNSUBSCRIBE, ids[1]);
  await bob.ask(type.PUBLISH, { acknowledge: true }, "com.example.others");
  expect(await ada.rest()).toEqual([]);
});

test("who subscribes by many patterns gets a large event for each of them, once, also when its worker dies in between", async () => {
  const app = await start();
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  const patterns = ["com.", "com.a", "com.a.", "com.a.b"];
  for (const pattern of patterns) await ada.ask(type.SUBSCRIBE, { match: "prefix" }, pattern);
  for (const point of [undefined, "after flush", "before commit"] as const) {
    const text = "x".repeat(230_000);
    if (point !== undefined) app.crashNext(point);
    await bob.send([type.PUBLISH, 1, {}, "com.a.b", [text]]);
    const got = (await ada.rest()).map(([code, id, , , args]) => [code, id, (args as string[])[0] === text]);
    expect(got).toEqual(patterns.map((pattern) => [type.EVENT, idOf("prefix", pattern), true]));
  }
  // Six times as long in JSON: more than a turn may ask for.
  const eve = await WireSession.join(app, { serializer: "msgpack" });
  await eve.ask(type.SUBSCRIBE, { match: "prefix" }, "com.");
  const large = await WireSession.join(app, { serializer: "msgpack" });
  await large.send([type.PUBLISH, 1, { eligible: [ada.id, eve.id] }, "com.a.b", ["\u0001".repeat(200_000)]]);
  expect((await eve.next())[0]).toBe(type.EVENT);
  expect(await ada.rest()).toEqual([]);
  expect(ada.connection.errors).toEqual([]);
});

test("exclude_me, exclude and eligible say who gets it; disclose_me says whose it is", async () => {
  const app = await start({ authenticate: { ticket: ({ authid }) => ({ authrole: authid === "boss" ? "manager" : "staff" }) } });
  const all: WireSession[] = [];
  for (const authid of ["boss", "bob", "eve"]) {
    const session = await WireSession.open(app);
    await session.send([type.HELLO, "realm1", { roles: { publisher: {}, subscriber: {} }, authid, authmethods: ["ticket"] }]);
    await session.next(type.CHALLENGE);
    await session.send([type.AUTHENTICATE, "secret", {}]);
    session.id = (await session.next(type.WELCOME))[1] as number;
    await session.ask(type.SUBSCRIBE, {}, topic);
    all.push(session);
  }
  const [boss, bob, eve] = all as [WireSession, WireSession, WireSession];
  const got = async (options: object) => {
    await boss.send([type.PUBLISH, 77, options, topic]);
    const counts = [];
    for (const session of all) counts.push((await session.rest()).filter(([code]) => code === type.EVENT).length);
    return counts;
  };
  expect(await got({})).toEqual([0, 1, 1]);
  expect(await got({ exclude_me: false })).toEqual([1, 1, 1]);
  expect(await got({ exclude: [bob.id] })).toEqual([0, 0, 1]);
  expect(await got({ eligible: [bob.id] })).toEqual([0, 1, 0]);
  expect(await got({ eligible: [] })).toEqual([0, 0, 0]);
  expect(await got({ eligible: [boss.id, bob.id, eve.id], exclude: [eve.id], exclude_me: false })).toEqual([1, 1, 0]);
  expect(await got({ exclude_authid: ["eve"] })).toEqual([0, 1, 0]);
  expect(await got({ eligible_authrole: ["manager"], exclude_me: false })).toEqual([1, 0, 0]);
  await boss.ask(type.PUBLISH, { acknowledge: true, disclose_me: true }, topic);
  const [, , , details] = await bob.next(type.EVENT);
  expect(details).toEqual({ publisher: boss.id, publisher_authid: "boss", publisher_authrole: "manager" });
});

test("who is named by session ids is looked for in their inboxes, and not in the whole realm", async () => {
  const asked: string[] = [];
  const seen: unknown[] = [];
  const app = await start({
    onPublish({ turn }, { options }) {
      const { members } = turn.app;
      if (seen.push(options) > 1) return;
      Object.assign(turn.app, { members: (name: string) => [asked.push(name), members(name)][1] });
    },
  });
  const [ada, bob, eve] = (await join(app, 3)) as [WireSession, WireSession, WireSession];
  const other = await WireSession.join(app, { realm: "realm2" });
  for (const session of [bob, eve, other]) await session.ask(type.SUBSCRIBE, {}, topic);
  for (const options of [{}, { exclude_authrole: ["nobody"] }]) {
    asked.length = 0;
    const eligible = [bob.id, bob.id, other.id, 1];
    await ada.ask(type.PUBLISH, { acknowledge: true, eligible, ...options }, topic, ["for bob"]);
    expect(asked).toEqual([bob.id, other.id, 1].map((id) => topics.inbox(scopeOf("/ws", "realm1"), id)));
    expect(seen.at(-1)).toEqual({ acknowledge: true, eligible, ...options });
    expect((await bob.rest()).map((message) => message.at(-1))).toEqual([["for bob"]]);
    expect([...(await eve.rest()), ...(await other.rest())]).toEqual([]);
  }
});

test("what a session may ask for is bounded", async () => {
  const app = await start();
  const [ada] = (await join(app, 1)) as [WireSession];
  for (let count = 0; count < 100; count++) await ada.ask(type.SUBSCRIBE, { match: "prefix" }, `com.p${count}`);
  expect((await ada.ask(type.SUBSCRIBE, { match: "wildcard" }, "com..p"))[4]).toBe("thinstate.error.too_many_patterns");
  expect((await ada.ask(type.SUBSCRIBE, { match: "prefix" }, "com.p7"))[2]).toBe(idOf("prefix", "com.p7"));
  for (let count = 0; count < 897; count++) await ada.send([type.SUBSCRIBE, 1_000 + count, {}, `com.t${count}`]);
  await ada.send([type.SUBSCRIBE, 3_000, {}, "com.one_more"]);
  expect(ada.messages.at(-1)?.[4]).toBe("thinstate.error.too_many_topics");
  const ids = Array.from({ length: 101 }, (_, index) => index + 1);
  for (const name of ["exclude", "eligible", "exclude_authid", "eligible_authid", "exclude_authrole", "eligible_authrole"]) {
    for (const length of [100, 101]) {
      const list = name.includes("auth") ? ids.map(String) : ids;
      await ada.send([type.PUBLISH, 5_000, { acknowledge: true, [name]: list.slice(0, length) }, "com.example.topic"]);
      await vi.waitFor(() => expect(ada.messages.at(-1)?.[length === 100 ? 1 : 2]).toBe(5_000));
      if (length > 100) expect(ada.messages.at(-1)?.[4]).toBe("thinstate.error.too_many_sessions");
    }
  }
  await ada.send([type.CALL, 6_000, {}, "wamp.session.count", [ids.map(String)]]);
  expect(ada.messages.at(-1)?.[4]).toBe("thinstate.error.too_many_sessions");
});

test("what is no URI, or reserved, is refused; without acknowledge, silently", async () => {
  const app = await start();
  const [ada] = (await join(app, 1)) as [WireSession];
  for (const [options, uri] of [
    [{}, "com..topic"],
    [{}, "com.a b"],
    [{}, ""],
    [{ match: "prefix" }, "com..a"],
  ]) {
    expect((await ada.ask(type.SUBSCRIBE, options, uri))[4]).toBe("wamp.error.invalid_uri");
  }
  expect((await ada.ask(type.PUBLISH, { acknowledge: true }, "wamp.session.on_join"))[4]).toBe("wamp.error.invalid_uri");
  await ada.send([type.PUBLISH, 99, {}, "wamp.topic"]);
  expect(await ada.rest()).toEqual([]);
});

test("hooks refuse, or undo what they have done by throwing; bytes travel between serializers", async () => {
  const app = await start({
    onSubscribe: (_session, uri) => uri !== "com.example.secret",
    onPublish(session, { args: [what] }) {
      session.event(topic, ["begun"]);
      if (what === "throw") throw new Error("no");
      if (what === "told") return new WampError("com.example.error", ["sorry"]);
      return what !== "no";
    },
  });
  const [ada] = (await join(app, 1)) as [WireSession];
  const bob = await WireSession.join(app, { serializer: "msgpack" });
  expect((await ada.ask(type.SUBSCRIBE, {}, "com.example.secret"))[4]).toBe("wamp.error.not_authorized");
  for (const session of [ada, bob]) await session.ask(type.SUBSCRIBE, {}, topic);
  const ask = async (what: string) => {
    await ada.send([type.PUBLISH, 50, { acknowledge: true }, topic, [what]]);
    return (await ada.rest()).map(([code, , , ...rest]) => (code === type.EVENT ? "event" : rest.slice(1)));
  };
  expect(await ask("throw")).toEqual([["wamp.error.runtime_error", ["the handler has failed, and its log says why"]]]);
  expect(await ask("told")).toEqual(["event", ["com.example.error", ["sorry"]]]);
  expect(await ask("no")).toEqual(["event", ["wamp.error.not_authorized", ["the handler does not let this session do that"]]]);
  await ada.ask(type.PUBLISH, {}, topic, ["\0AAEC", { large: 1_700_000_000_000 }]);
  expect((await bob.next(type.EVENT))[4]).toEqual([Uint8Array.of(0, 1, 2), { large: 1_700_000_000_000 }]);
  await bob.send([type.PUBLISH, 51, {}, topic, [Uint8Array.of(255)]]);
  expect((await ada.next(type.EVENT))[4]).toEqual(["\0/w=="]);
});

test.each([
  ["what its hook throws", () => Promise.reject(new WampError("com.example.error")), "small", "com.example.error", "handler.thrown"],
  ["that it is too large", () => true, "x".repeat(4_000), "wamp.error.payload_size_exceeded", "message.invalid"],
])("a publisher is told %s only if it wants an acknowledgement, and nothing of it happens", async (_, onPublish, text, uri, code) => {
  const app = await testHandler(wamp({ path: "/ws", realms: ["realm1"], onPublish }), { effectsBytes: 10_000 });
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  await bob.ask(type.SUBSCRIBE, {}, topic);
  for (const options of [{}, { acknowledge: false }]) {
    await ada.send([type.PUBLISH, 5, options, topic, [text]]);
    expect([await ada.rest(), await bob.rest()]).toEqual([[], []]);
  }
  expect((await ada.ask(type.PUBLISH, { acknowledge: true }, topic, [text]))[4]).toBe(uri);
  expect(await bob.rest()).toEqual([]);
  const one = expect.objectContaining({ code });
  expect(ada.connection.errors).toEqual([one, one, one]);
});

// biome-ignore lint/suspicious/noThenProperty: as a query builder has one.
const thenable = (said: unknown) => ({ then: (resolve: (value: unknown) => void) => resolve(said) });
const yes = [true, Promise.resolve(true), thenable(true)];
const nothing = [undefined, Promise.resolve(undefined)];
const no = [false, null, "", 0, 1, "yes", {}, [], Promise.resolve(false), Promise.resolve(null), thenable(false), thenable(1)];

test("hooks that are asked allow by true or by returning nothing, onMeta by true alone; whatever else is not_authorized", async () => {
  let said: unknown;
  const hook = () => said as true;
  const app = await start({ onSubscribe: hook, onPublish: hook, onRegister: hook, onMeta: hook });
  const [ada] = (await join(app, 1)) as [WireSession];
  const asks: Array<[code: number, uri: string]> = [
    [type.SUBSCRIBE, topic],
    [type.PUBLISH, topic],
    [type.REGISTER, "com.example.procedure"],
    [type.CALL, "wamp.session.count"],
  ];
  for (const [allowed, values] of Object.entries({ yes, nothing, no })) {
    for (said of values) {
      for (const [code, uri] of asks) {
        const answer = await ada.ask(code, { acknowledge: true, invoke: "random" }, uri);
        const isRefused = allowed === "no" || (allowed === "nothing" && code === type.CALL);
        expect([code, said, answer[0], answer[4]]).toEqual([
          code,
          said,
          isRefused ? type.ERROR : expect.anything(),
          isRefused ? "wamp.error.not_authorized" : undefined,
        ]);
        if (answer[0] === type.REGISTERED) await ada.ask(type.UNREGISTER, answer[2]);
      }
    }
  }
  for (const [code, uri] of asks) {
    said = Promise.reject(new Error("no database"));
    expect((await ada.ask(code, { acknowledge: true }, uri))[4]).toBe("wamp.error.runtime_error");
    said = Promise.reject(new WampError("com.example.error"));
    expect((await ada.ask(code, { acknowledge: true }, uri))[4]).toBe("com.example.error");
  }
  expect(ada.connection.topics.size).toBe(3);
  // @ts-expect-error null is no answer.
  void (() => start({ onSubscribe: () => null }));
  // @ts-expect-error onMeta has to say it.
  void (() => start({ onMeta: () => undefined }));
});

test("the server publishes to all, of either serializer, and by pattern", async () => {
  const app = await start({
    onCall: async (session) => publishEvent(session.turn.app, { prefix: "/ws", realm: "realm1", topic, args: ["news"] }).then(() => null),
  });
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  await ada.ask(type.SUBSCRIBE, {}, topic);
  await bob.ask(type.SUBSCRIBE, { match: "prefix" }, "com.");
  await bob.send([type.CALL, 9, {}, "com.example.tell"]);
  expect((await ada.next())[4]).toEqual(["news"]);
  expect((await bob.next(type.EVENT))[4]).toEqual(["news"]);
});

test("sessions of a release that knew no prefix keep their names under the next one; new ones have their own", async () => {
  const before = await start({ prefix: "" });
  const [ada, bob] = (await join(before, 2)) as [WireSession, WireSession];
  await ada.ask(type.SUBSCRIBE, {}, topic);
  await bob.ask(type.REGISTER, {}, "com.example.procedure");
  const names = [`wamp.inbox ${ada.id % 2 ** 29}`, "wamp.sessions realm1", `wamp.json realm1 ${topic}`];
  expect([...ada.connection.topics]).toEqual(names);
  expect(ada.connection.state).not.toHaveProperty("scope");
  await before.deploy(wamp({ path: "/ws", realms: ["realm1"] }));
  await bob.ask(type.PUBLISH, { acknowledge: true }, topic, ["from an old one"]);
  const eve = await WireSession.join(before);
  await eve.ask(type.PUBLISH, { acknowledge: true }, topic, ["from a new one"]);
  expect((await ada.rest()).map(([, , , , args]) => args)).toEqual([["from an old one"]]);
  await ada.send([type.CALL, 9, {}, "com.example.procedure"]);
  await bob.send([type.YIELD, (await bob.next(type.INVOCATION))[1], {}, ["done"]]);
  expect((await ada.next(type.RESULT))[3]).toEqual(["done"]);
  const [inbox, sessions] = eve.connection.topics;
  const scope = scopeOf("/ws", "realm1");
  expect([inbox, sessions]).toEqual([`wamp.inbox ${scope} ${eve.id % 2 ** 29}`, `wamp.sessions ${scope}`]);
});

test("the longest names fit", async () => {
  const app = await start({ realms: () => true, prefix: "p".repeat(1_000) });
  const session = await WireSession.join(app, { serializer: "msgpack", realm: "r".repeat(64) });
  const uri = "u".repeat(160);
  for (const match of ["exact", "prefix", "wildcard"]) {
    expect((await session.ask(type.SUBSCRIBE, { match }, uri))[0]).toBe(type.SUBSCRIBED);
    expect((await session.ask(type.REGISTER, { match }, uri))[0]).toBe(type.REGISTERED);
  }
});

test("the session meta API tells who is there, who comes and who goes; who may end others, the handler says", async () => {
  const closed = await start();
  const [eve] = (await join(closed, 1)) as [WireSession];
  expect((await eve.ask(type.CALL, {}, "wamp.session.kill", [1]))[4]).toBe("wamp.error.not_authorized");
  const app = await start({ onMeta: () => true });
  const [ada] = (await join(app, 1)) as [WireSession];
  await ada.ask(type.SUBSCRIBE, { match: "prefix" }, "wamp.session.");
  const bob = await WireSession.join(app);
  expect((await ada.next())[4]).toEqual([expect.objectContaining({ session: bob.id, authrole: "anonymous" })]);
  expect((await ada.ask(type.CALL, {}, "wamp.session.count"))[3]).toEqual([2]);
  expect((await ada.ask(type.CALL, {}, "wamp.session.list"))[3]).toEqual([[ada.id, bob.id]]);
  expect((await ada.ask(type.CALL, {}, "wamp.session.count", ["anonymous"]))[4]).toBe("wamp.error.invalid_argument");
  expect((await ada.ask(type.CALL, {}, "wamp.session.list", [null]))[3]).toEqual([[ada.id, bob.id]]);
  expect((await ada.ask(type.CALL, {}, "wamp.session.get", [bob.id]))[3]).toEqual([expect.objectContaining({ session: bob.id })]);
  for (const nobody of [[1], ["eve"], [null], []])
    expect((await ada.ask(type.CALL, {}, "wamp.session.get", nobody))[4]).toBe("wamp.error.no_such_session");
  expect((await ada.ask(type.CALL, {}, "wamp.session.kill", [bob.id], { message: "enough" }))[0]).toBe(type.RESULT);
  expect(await bob.next()).toEqual([type.GOODBYE, { message: "enough" }, "wamp.close.killed"]);
  expect((await ada.next())[4]).toEqual([bob.id, expect.any(String), "anonymous"]);
});

test("whatever is nested as deep as a message may be is passed on, by publications and by calls", async () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  const app = await start({});
  const [ada, bob] = (await join(app, 2)) as [WireSession, WireSession];
  for (const match of ["exact", "prefix"]) await bob.ask(type.SUBSCRIBE, { match }, topic);
  await bob.ask(type.REGISTER, {}, topic);
  for (const depth of [97, 98]) {
    expect((await ada.ask(type.PUBLISH, { acknowledge: true }, topic, [nested(depth)]))[0]).toBe(type.PUBLISHED);
    expect((await bob.rest()).map(([code]) => code)).toEqual([type.EVENT, type.EVENT]);
    await ada.send([type.CALL, 100 + depth, {}, topic, [nested(depth)]]);
    const [, invocation] = await bob.next(type.INVOCATION);
    await bob.send([type.YIELD, invocation, {}, [nested(depth)]]);
    expect((await ada.next())[0]).toBe(type.RESULT);
  }
  await ada.send([type.PUBLISH, 5, {}, topic, [nested(99)]]);
  expect(ada.connection.closed).toEqual({ code: 3002, reason: "wamp.error.protocol_violation" });
});

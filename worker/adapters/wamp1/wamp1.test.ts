import { expect, test } from "vitest";
import { testHandler } from "../../testing.ts";
import { CallError, NotSubscribed, wamp1 } from "./wamp1.ts";

const calc = "http://example.com/calc#";
const chat = "http://example.com/chat/blue";

const handler = wamp1<{ calls: number }>({
  path: "/wamp",
  state: { calls: 0 },
  async onCall(session, { procedure, args, id }) {
    session.setState({ calls: session.state.calls + 1 });
    if (procedure === `${calc}add`) return (args as number[]).reduce((sum, value) => sum + value, 0);
    if (procedure === `${calc}calls`) return session.state.calls;
    if (procedure === `${calc}nothing`) return undefined;
    if (procedure === `${calc}own`) return session.callResult(id, "my own");
    if (procedure === `${calc}returned`) return new CallError(`${calc}error`, "not today", { until: "tomorrow" });
    if (procedure === `${calc}thrown`) throw new CallError(`${calc}error`, "not today");
    throw new Error("a secret of the server");
  },
  onSubscribe(_session, topic) {
    if (topic.endsWith("/secret")) throw new NotSubscribed();
  },
});

async function three() {
  const app = await testHandler(handler);
  const sessions = [await app.connect("/wamp"), await app.connect("/wamp"), await app.connect("/wamp")] as const;
  for (const session of sessions) session.take();
  return sessions;
}

test("a client is welcomed with its session's id", async () => {
  const app = await testHandler(handler);
  const ada = await app.connect("/wamp");
  expect(ada.received).toEqual([[0, ada.id, 1, "thinstate"]]);
});

test("a call has one answer: what onCall returns, null for nothing, or what it has sent itself", async () => {
  const [ada] = await three();
  for (const [index, name] of ["add", "nothing", "own"].entries()) await ada.send([2, `c${index}`, `${calc}${name}`, 1, 2]);
  expect(ada.received).toEqual([
    [3, "c0", 3],
    [3, "c1", null],
    [3, "c2", "my own"],
  ]);
});

test("an error that is returned keeps the turn's effects, one that is thrown takes them back; any other tells clients nothing", async () => {
  const [ada] = await three();
  for (const [index, name] of ["returned", "thrown", "unforeseen", "calls"].entries()) await ada.send([2, `c${index}`, `${calc}${name}`]);
  expect(ada.received).toEqual([
    [4, "c0", `${calc}error`, "not today", { until: "tomorrow" }],
    [4, "c1", `${calc}error`, "not today"],
    [4, "c2", "http://api.wamp.ws/error#internal", "the procedure has failed"],
    [3, "c3", 2],
  ]);
});

test("a handler without procedures says so", async () => {
  const app = await testHandler(wamp1({ path: "/wamp" }));
  const ada = await app.connect("/wamp");
  await ada.send([2, "c", "http://example.com/none"]);
  expect(ada.received[1]).toEqual([4, "c", "http://api.wamp.ws/error#NoSuchRPCEndpoint", "there is no procedure http://example.com/none"]);
});

test("a publication reaches all who subscribe, the publisher among them, or whom it says", async () => {
  const [ada, bob, cyd] = await three();
  for (const session of [ada, bob, cyd]) await session.send([5, chat]);
  await ada.send([7, chat, "plain"]);
  await ada.send([7, chat, "excludeMe", true]);
  await ada.send([7, chat, "to me, too", false]);
  await ada.send([7, chat, "excluded", [bob.id, "", "nobody", `é${bob.id}`, `${bob.id}${"é".repeat(200)}`]]);
  await ada.send([7, chat, "eligible", [], [ada.id, cyd.id, "nobody"]]);
  await ada.send([7, chat, "eligible and excluded", [cyd.id], [bob.id, cyd.id]]);
  await ada.send([7, chat, "eligible without me", true, [ada.id, bob.id]]);
  await ada.send([7, chat, "eligible with me", false, [ada.id, bob.id]]);
  const events = (session: typeof ada) => session.received.map((received) => (received as [number, string, unknown])[2]);
  expect(ada.received[0]).toEqual([8, chat, "plain"]);
  expect(events(ada)).toEqual(["plain", "to me, too", "excluded", "eligible", "eligible with me"]);
  expect(events(bob)).toEqual(["plain", "excludeMe", "to me, too", "eligible and excluded", "eligible without me", "eligible with me"]);
  expect(events(cyd)).toEqual(["plain", "excludeMe", "to me, too", "excluded", "eligible"]);
});

test("a result that cannot be sent is an error of its call", async () => {
  const results: unknown[] = [10n, "x".repeat(900_000), new CallError(`${calc}error`, "no", 10n)];
  const app = await testHandler(wamp1({ path: "/wamp", onCall: () => results.shift() }));
  const ada = await app.connect("/wamp");
  ada.take();
  for (let count = 0; count < 3; count++) await ada.send([2, "c", `${calc}any`]);
  expect(ada.take()).toEqual(Array(3).fill([4, "c", "http://api.wamp.ws/error#internal", "the procedure has failed"]));
  expect(ada.closed).toBeUndefined();
});

test("eligible are only those who subscribe", async () => {
  const [ada, bob, cyd] = await three();
  await bob.send([5, chat]);
  await cyd.send([5, `${chat}2`]);
  await ada.send([7, chat, "hi", [], [bob.id, cyd.id]]);
  expect(bob.received).toEqual([[8, chat, "hi"]]);
  expect(cyd.received).toEqual([]);
  await bob.send([6, chat]);
  await ada.send([7, chat, "again", [], [bob.id]]);
  expect(bob.received).toHaveLength(1);
});

test("a prefix stands for what it was set to, also in events, which have whole URIs", async () => {
  const [ada, bob] = await three();
  await ada.send([1, "calc", calc]);
  await ada.send([2, "c", "calc:add", 1, 2]);
  await ada.send([1, "chat", "http://example.com/chat/"]);
  await ada.send([5, "chat:blue"]);
  await bob.send([7, chat, "hi"]);
  await ada.send([6, "chat:blue"]);
  await bob.send([7, chat, "again"]);
  expect(ada.received).toEqual([
    [3, "c", 3],
    [8, chat, "hi"],
  ]);
});

test("names of every object's properties are no prefixes", async () => {
  const [ada] = await three();
  await ada.send([2, "c", "constructor:add"]);
  expect(ada.received).toMatchObject([[4, "c", "http://api.wamp.ws/error#internal", "the procedure has failed"]]);
});

test("onSubscribe refuses", async () => {
  const [ada, bob] = await three();
  await ada.send([5, "http://example.com/secret"]);
  await bob.send([7, "http://example.com/secret", "psst"]);
  expect(ada.received).toEqual([]);
  expect(ada.closed).toBeUndefined();
});

test("hooks hear once of a topic that is subscribed to, and once that it is left", async () => {
  const heard: string[] = [];
  const app = await testHandler(
    wamp1({
      path: "/wamp",
      onSubscribe: (_, topic) => void heard.push(`+ ${topic}`),
      onUnsubscribe: (_, topic) => void heard.push(`- ${topic}`),
    }),
  );
  const ada = await app.connect("/wamp");
  for (const type of [6, 5, 5, 6, 6, 5]) await ada.send([type, chat]);
  expect(heard).toEqual([`+ ${chat}`, `- ${chat}`, `+ ${chat}`]);
});

test.each([
  [undefined, "wamp1:/wamp#"],
  ["news/", "news/"],
])("the topics of a handler with prefix %s begin with %s", async (prefix, begin) => {
  const app = await testHandler(wamp1({ path: "/wamp", ...(prefix && { prefix }) }));
  const ada = await app.connect("/wamp");
  await ada.send([5, chat]);
  expect([...ada.topics]).toContain(`${begin}${chat}`);
  app.publish(`${begin}${chat}`, [8, chat, "from a page"]);
  app.publish(`wamp1:${chat}`, [8, chat, "for another handler"]);
  expect(ada.received.slice(1)).toEqual([[8, chat, "from a page"]]);
});

test.each(["", "x".repeat(129), "w", "wamp1-session:", "wamp1-session:x"])("the prefix %j is refused", (prefix) => {
  expect(() => wamp1({ path: "/wamp", prefix })).toThrowError(expect.objectContaining({ code: "handler.invalid" }));
});

test("an option that there is not is refused: a hook with a wrong name would refuse nobody", () => {
  const misspelt = { path: "/wamp", onSubscibe: () => undefined };
  expect(() => wamp1(misspelt)).toThrow(/^handler.invalid: WAMP 1 has no option onSubscibe: it has path, prefix, origins, /);
});

test("no path goes on where another one's prefix ends: no client reaches topics of another handler", async () => {
  const of = async (path: string, url: string, uri: string) => {
    const ada = await (await testHandler(wamp1({ path }))).connect(url);
    await ada.send([5, uri]);
    return [...ada.topics].filter((topic) => !topic.endsWith(ada.id));
  };
  expect(await of("/", "/", "room:x")).not.toEqual(await of("/:room", "/blue", "x"));
  expect(await of("/", "/", "chat#x")).not.toEqual(await of("/chat", "/chat", "x"));
});

test("a URI has no more than its topic has room for behind a long prefix", async () => {
  const app = await testHandler(wamp1({ path: "/wamp", prefix: "p".repeat(100) }));
  const ada = await app.connect("/wamp");
  await ada.send([5, "u".repeat(156)]);
  expect(ada.topics.size).toBe(2);
  await ada.send([5, "u".repeat(157)]);
  expect(ada.closed).toEqual({ code: 4008, reason: "a URI of more than 156 bytes" });
});

test("subscriptions of open sessions follow a release with another prefix, and come back with the one before", async () => {
  const before = wamp1({ path: "/wamp", prefix: "wamp1:" });
  const app = await testHandler(before);
  const [ada, bob] = [await app.connect("/wamp"), await app.connect("/wamp")];
  for (const session of [ada, bob]) await session.send([5, chat]);
  await app.deploy(wamp1({ path: "/wamp" }));
  expect([...ada.topics].toSorted()).toEqual([`wamp1-session:${ada.id}`, `wamp1:/wamp#${chat}`]);
  await bob.send([7, chat, "one", true]);
  await bob.send([7, chat, "two", true, [ada.id]]);
  await app.deploy(before);
  await bob.send([7, chat, "three", true]);
  expect(ada.received.slice(1)).toEqual(["one", "two", "three"].map((event) => [8, chat, event]));
});

test("with onPublish, nobody gets anything but what it broadcasts", async () => {
  const seen: unknown[] = [];
  const app = await testHandler(
    wamp1({
      path: "/wamp",
      onPublish(session, { topic, event, exclude, eligible }) {
        seen.push({ topic, event, exclude, eligible });
        if (event === "loud") return session.broadcast(topic, "LOUD");
        session.event(topic, "not today");
      },
    }),
  );
  const ada = await app.connect("/wamp");
  const bob = await app.connect("/wamp");
  for (const session of [ada, bob]) await session.send([5, chat]);
  await ada.send([7, chat, "quiet"]);
  await ada.send([7, chat, "loud", ["x-0-1"], ["y-0-1"]]);
  expect(seen).toEqual([
    { topic: chat, event: "quiet", exclude: [], eligible: undefined },
    { topic: chat, event: "loud", exclude: ["x-0-1"], eligible: ["y-0-1"] },
  ]);
  expect(ada.received.slice(1)).toEqual([
    [8, chat, "not today"],
    [8, chat, "LOUD"],
  ]);
  expect(bob.received.slice(1)).toEqual([[8, chat, "LOUD"]]);
});

/** An array in an array in an array … */
const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));

const refused: ReadonlyArray<readonly [string, object]> = [
  ["no array", { type: 2 }],
  ["an empty array", []],
  ["an unknown type", [9, "x"]],
  ["what only servers send", [8, chat, "hi"]],
  ["a CALL without a procedure", [2, "c"]],
  ["a CALL whose id is no text", [2, 7, `${calc}add`]],
  ["a SUBSCRIBE of two topics", [5, chat, chat]],
  ["an empty URI", [5, ""]],
  ["a URI that is too long", [5, "x".repeat(241)]],
  ["a URI that is no UTF-8", [5, "\ud800"]],
  ["a prefix that no object may have", [1, "__proto__", calc]],
  ["a prefix that is no UTF-8", [1, "\ud800", calc]],
  ["a PUBLISH without an event", [7, chat]],
  ["an event that is nested too deeply", [7, chat, nested(201)]],
  ["an argument that is nested too deeply", [2, "c", `${calc}add`, nested(201)]],
  ["a PUBLISH whose exclude is text", [7, chat, "hi", "me"]],
  ["a PUBLISH whose eligible is a boolean", [7, chat, "hi", [], true]],
  ["a PUBLISH that excludes more than a hundred", [7, chat, "hi", Array.from({ length: 101 }, String)]],
];

test.each(refused)("%s is refused", async (_, sent) => {
  const [ada] = await three();
  await ada.send(sent);
  expect(ada.closed).toEqual({ code: 4008, reason: "not a message of WAMP 1" });
});

test.each([
  ["a topic more than a connection may have", [5, `${chat}3`], "topics.tooMany"],
  ["a publication that is too large for all that it names", [7, chat, "x".repeat(600), [], "the sessions"], "effects.tooLarge"],
])("%s is the client's fault, and none of it happens", async (_, sent, reason) => {
  const app = await testHandler(wamp1({ path: "/wamp" }), { topicsPerConnection: 3, effectsBytes: 1_000 });
  const [ada, bob] = [await app.connect("/wamp"), await app.connect("/wamp")];
  for (const session of [ada, bob]) for (const topic of [chat, `${chat}2`]) await session.send([5, topic]);
  await ada.send(sent.map((element) => (element === "the sessions" ? [bob.id, ada.id] : element)));
  expect(ada.closed).toEqual({ code: 4008, reason });
  // Not counted against a release.
  expect(ada.errors).toEqual([expect.objectContaining({ code: "message.invalid" })]);
  expect(bob.received).toHaveLength(1);
});

test("a client may have 32 prefixes of 4 KiB together, and URIs of 240 bytes once they are whole", async () => {
  const [ada, bob, cyd] = await three();
  for (let index = 0; index < 32; index++) await ada.send([1, `p${index}`, `${calc}${"x".repeat(80)}`]);
  expect(ada.closed).toBeUndefined();
  await ada.send([1, "p32", calc]);
  expect(ada.closed).toEqual({ code: 4008, reason: "more than 32 prefixes" });
  await bob.send([1, "p", `${calc}${"x".repeat(180)}`]);
  await bob.send([5, `p:${"y".repeat(100)}`]);
  expect(bob.closed).toEqual({ code: 4008, reason: "a URI of more than 240 bytes" });
  // 64 and 192 bytes each.
  const largest = (index: number) => [1, String(index).padStart(64, "p"), `http://${"x".repeat(185)}`];
  for (let index = 0; index < 16; index++) await cyd.send(largest(index));
  await cyd.send(largest(0));
  expect(cyd.closed).toBeUndefined();
  await cyd.send([1, "p", "u"]);
  expect(cyd.closed).toEqual({ code: 4008, reason: "prefixes of more than 4096 bytes" });
});

test("a session goes on in the next release with its prefixes, its state and its subscriptions", async () => {
  const app = await testHandler(handler);
  const ada = await app.connect("/wamp");
  await ada.send([1, "calc", calc]);
  await ada.send([2, "c1", "calc:add", 1]);
  await ada.send([5, chat]);
  ada.take();
  await app.deploy(handler);
  await ada.send([2, "c2", "calc:calls"]);
  await ada.send([7, chat, "hi", false]);
  expect(ada.received).toEqual([
    [3, "c2", 2],
    [8, chat, "hi"],
  ]);
});

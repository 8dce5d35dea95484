// WAMP with the clients that people have: AutobahnJS, Wampy, Autobahn|Python; and through deploys and kills.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MsgpackSerializer } from "wampy/MsgpackSerializer.js";
import * as wampycra from "wampy/wampcra.js";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { autobahn, openAutobahn } from "./autobahn.ts";
import { startNats } from "./nats.ts";
import { pythonWith } from "./python.ts";
import { TestSystem } from "./system.ts";
import { openWampy } from "./wampy.ts";

let system: TestSystem;
let url: string;
let store: string;

beforeAll(async () => {
  store = mkdtempSync(join(tmpdir(), "thinstate-wamp-"));
  const nats = await startNats(0, ["-js", "-sd", store]);
  system = await TestSystem.start({ handlers: "wamp", workers: 2, gateways: 2, nats });
  url = `${system.url}/ws`;
});

afterAll(async () => {
  await system.stop();
  rmSync(store, { recursive: true });
});

for (const serializer of ["JSONSerializer", "MsgpackSerializer"] as const) {
  test(`AutobahnJS, ${serializer}: calls, progress, errors, events, patterns, and who it was`, async () => {
    const [one, two] = await Promise.all([openAutobahn(url, {}, serializer), openAutobahn(url, {}, serializer)]);
    expect(await one.session.call("com.server.add", [2, 3])).toBe(5);
    await expect(one.session.call("com.server.refuse")).rejects.toMatchObject({ error: "com.server.error.refused", args: ["no"] });
    await expect(one.session.call("com.example.none")).rejects.toMatchObject({ error: "wamp.error.no_such_procedure" });

    const registration = await two.session.register("com.example.work", ([count], _kwargs, { progress, caller }) => {
      for (let step = 0; step < Number(count); step++) progress?.([step]);
      if (count === -1) throw new autobahn.Error("com.example.error.negative", [count]);
      return caller;
    });
    const steps: unknown[] = [];
    const call = one.session.call("com.example.work", [3], {}, { receive_progress: true, disclose_me: true });
    expect(
      await call.then(
        (value) => value,
        undefined,
        (step) => steps.push(step),
      ),
    ).toBe(one.session.id);
    expect(steps).toEqual([0, 1, 2]);
    await expect(one.session.call("com.example.work", [-1])).rejects.toMatchObject({ error: "com.example.error.negative", args: [-1] });
    await two.session.unregister(registration);
    await expect(one.session.call("com.example.work")).rejects.toMatchObject({ error: "wamp.error.no_such_procedure" });

    const heard: unknown[] = [];
    const exact = await two.session.subscribe("com.example.news", ([value], _kwargs, { publisher }) => heard.push([value, publisher]));
    await two.session.subscribe("com.example", ([value], _kwargs, { topic }) => heard.push([value, topic]), { match: "prefix" });
    const both = new Promise<void>((resolve) => {
      void two.session.subscribe("com.example.end", () => resolve(), { match: "prefix" });
    });
    await one.session.publish("com.example.news", [1], {}, { acknowledge: true, disclose_me: true });
    await one.session.publish("com.example.news", [2], {}, { acknowledge: true, exclude: [two.session.id] });
    await two.session.unsubscribe(exact);
    await one.session.publish("com.example.news", [3], {}, { acknowledge: true });
    await one.session.publish("com.example.end", [4], {}, { acknowledge: true });
    await both;
    expect(heard.filter((each) => (each as unknown[])[1] === one.session.id)).toEqual([[1, one.session.id]]);
    const patterns = [
      [1, "com.example.news"],
      [3, "com.example.news"],
      [4, "com.example.end"],
    ];
    expect(heard.filter((each) => typeof (each as unknown[])[1] === "string")).toEqual(patterns);
    await Promise.all([one.close(), two.close()]);
    expect(one.closed()).toBe("wamp.close.goodbye_and_out");
  });
}

test("AutobahnJS: ticket, WAMP-CRA with and without salt, and who is refused", async () => {
  const onchallenge = (
    _session: unknown,
    method: string,
    extra: { challenge: string; salt?: string; iterations: number; keylen: number },
  ) => {
    if (method === "ticket") return "secret";
    const key = extra.salt === undefined ? "secret" : autobahn.auth_cra.derive_key("secret", extra.salt, extra.iterations, extra.keylen);
    return autobahn.auth_cra.sign(key, extra.challenge);
  };
  for (const [method, authid] of [
    ["ticket", "joe"],
    ["wampcra", "joe"],
    ["wampcra", "salted"],
  ] as const) {
    const opened = await openAutobahn(url, { authmethods: [method], authid, onchallenge });
    expect(opened.details).toMatchObject({ authid, authmethod: method, authrole: "user" });
    await opened.close();
  }
  const wrong = { authmethods: ["ticket"], authid: "joe", onchallenge: () => "guess" };
  await expect(openAutobahn(url, wrong)).rejects.toThrow("wamp.error.authentication_failed");
  await expect(openAutobahn(url, { realm: "nowhere" })).rejects.toThrow("wamp.error.no_such_realm");
});

for (const Serializer of [undefined, MsgpackSerializer]) {
  const format = Serializer === undefined ? "JSON" : "MessagePack";
  const open = () => openWampy(url, Serializer === undefined ? {} : { serializer: new Serializer() });

  test(`Wampy, ${format}: calls, progress, errors, events`, async () => {
    const [one, two] = [await open(), await open()];
    expect((await one.call("com.server.add", [2, 3])).argsList).toEqual([5]);
    await two.register("com.example.wampy", ({ argsList, result_handler: give }) => {
      for (let step = 0; step < 3; step++) give({ argsList: [step], options: { progress: true } });
      return { argsList: [`got ${argsList?.[0]}`] };
    });
    const steps: unknown[] = [];
    const progress = { progress_callback: ({ argsList }: { argsList?: unknown[] }) => void steps.push(argsList?.[0]) };
    expect((await one.call("com.example.wampy", ["this"], progress)).argsList).toEqual(["got this"]);
    expect(steps).toEqual([0, 1, 2]);
    const heard: unknown[] = [];
    const signal = new Signal();
    // Not before it is subscribed: what is published earlier is not for it.
    await two.subscribe("com.example.wampy", ({ argsList }) => {
      heard.push(argsList);
      signal.tell();
    });
    await one.publish("com.example.wampy", ["hello"]);
    await signal.until(() => heard.length > 0, "the event arrives", patienceMs);
    expect(heard).toEqual([["hello"]]);
    await two.unregister("com.example.wampy");
    await expect(one.call("com.example.wampy")).rejects.toMatchObject({ errorUri: "wamp.error.no_such_procedure" });
    await Promise.all([one.disconnect(), two.disconnect()]);
  });
}

test("Wampy: a ticket, WAMP-CRA with and without salt, and a cookie", async () => {
  const ticket = { authid: "joe", authmethods: ["ticket"] };
  await (await openWampy(url, { ...ticket, onChallenge: () => "secret" })).disconnect();
  await expect(openWampy(url, { ...ticket, onChallenge: () => "guess" })).rejects.toThrow();
  for (const authid of ["joe", "salted"]) {
    const onChallenge = async (_method: string, { challenge, salt, iterations, keylen }: Record<string, unknown>) => {
      const key = salt === undefined ? "secret" : await wampycra.deriveKey("secret", String(salt), Number(iterations), Number(keylen));
      return wampycra.signManual(key, String(challenge));
    };
    await (await openWampy(url, { authid, authmethods: ["wampcra"], onChallenge })).disconnect();
  }
  // It does not connect with an authid alone.
  const cookie = { authid: "ann", authmethods: ["cookie"], onChallenge: () => "" };
  await (await openWampy(url, { ...cookie, additionalHeaders: { cookie: "user=ann" } })).disconnect();
  await expect(openWampy(url, cookie)).rejects.toThrow();
});

const python = pythonWith("autobahn");
const script = `
import asyncio, sys
from autobahn.asyncio.wamp import ApplicationSession, ApplicationRunner
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions, PublishOptions, RegisterOptions, SubscribeOptions
from autobahn.wamp.serializer import JsonSerializer, MsgPackSerializer

class Peer(ApplicationSession):
    async def onJoin(self, details):
        heard = asyncio.get_event_loop().create_future()
        async def add(a, b, details=None):
            if a < 0:
                raise ApplicationError("com.python.error.negative", a)
            if details.progress:
                details.progress(a)
            return a + b
        await self.register(add, "com.python.add", RegisterOptions(details_arg="details"))
        await self.subscribe(lambda *args, **kwargs: heard.set_result([args, kwargs]), "com.python.", SubscribeOptions(match="prefix"))
        steps = []
        print(">", await self.call("com.python.add", 2, 3, options=CallOptions(on_progress=steps.append)), steps)
        print(">", await self.call("com.server.add", 2**40, 1))
        for procedure in ["com.python.add", "com.python.none"]:
            try:
                await self.call(procedure, -1, 1)
            except ApplicationError as error:
                print(">", error.error)
        await self.publish("com.python.news", b"bytes", n=1, options=PublishOptions(acknowledge=True, exclude_me=False))
        print(">", await heard)
        self.leave()

    def onDisconnect(self):
        asyncio.get_event_loop().stop()

serializer = {"json": JsonSerializer, "msgpack": MsgPackSerializer}[sys.argv[2]]
ApplicationRunner(sys.argv[1], "realm1", serializers=[serializer()]).run(Peer)
`;

for (const serializer of ["json", "msgpack"]) {
  test(`Autobahn|Python, ${serializer}: calls, progress, errors, bytes in events, patterns`, async ({ skip }) => {
    if (python === undefined) return skip("needs Autobahn|Python: apt-get install python3-autobahn");
    const { stdout } = await promisify(execFile)(python, ["-c", script, url, serializer], { timeout: patienceMs });
    // It logs there, too.
    expect(stdout.split("\n").filter((line) => line.startsWith("> "))).toEqual([
      "> 5 [2]",
      `> ${2 ** 40 + 1}`,
      "> com.python.error.negative",
      "> wamp.error.no_such_procedure",
      "> [(b'bytes',), {'n': 1}]",
    ]);
  });
}

test("realms of the same name at two paths are two, or one with the same prefix", async () => {
  const [ws, other, shared] = await Promise.all(["ws", "other", "shared"].map((path) => openAutobahn(`${system.url}/${path}`)));
  if (ws === undefined || other === undefined || shared === undefined) throw new Error("not open");
  const all = [ws, other, shared];
  const heard = new Map(all.map((each) => [each, [] as unknown[]]));
  const signal = new Signal();
  const hear = (each: typeof ws) => (args: unknown[]) => {
    heard.get(each)?.push(args[0]);
    signal.tell();
  };
  for (const each of all) await each.session.subscribe("com.example.mixed", hear(each));
  await ws.session.register("com.example.mixed", () => "from /ws");
  expect(await shared.session.call("com.example.mixed")).toBe("from /ws");
  await expect(other.session.call("com.example.mixed")).rejects.toMatchObject({ error: "wamp.error.no_such_procedure" });
  expect(await other.session.call("wamp.session.list")).toEqual([other.session.id]);
  for (const each of [ws, other])
    await each.session.publish("com.example.mixed", [each.session.id], {}, { acknowledge: true, exclude_me: false });
  await signal.until(() => all.every((each) => heard.get(each)?.length), "each has heard one", patienceMs);
  expect(all.map((each) => heard.get(each))).toEqual([[ws.session.id], [other.session.id], [ws.session.id]]);
  await Promise.all(all.map((each) => each.close()));
});

function kill(worker: { readonly pid?: number | undefined; readonly child: { kill(signal: "SIGKILL"): unknown } } | undefined): void {
  worker?.child.kill("SIGKILL");
  system.say({ kind: "gone", id: system.workerHellos.find(({ pid }) => pid === worker?.pid)?.id ?? "", reason: "exited" });
}

test("a worker that is killed in the middle of a progressive call doubles none of its results", async () => {
  const { session, close } = await openAutobahn(url);
  const steps: Array<{ step: number; pid: number }> = [];
  const result = await session.call("com.server.steps", [], {}, { receive_progress: true }).then(
    (value) => value,
    undefined,
    (progress) => {
      const told = progress as { step: number; pid: number };
      steps.push(told);
      if (told.step === 2 && steps.length === 2) kill(system.live("worker").find(({ pid }) => pid === told.pid));
    },
  );
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  const [first, , third] = steps.map(({ pid }) => pid);
  expect([third === first, result]).toEqual([false, third]);
  await close();
});

test("deploys and a killed worker while clients call and publish: nothing is lost, doubled or reordered", async () => {
  const [caller, callee] = await Promise.all([openAutobahn(url), openAutobahn(url, {}, "MsgpackSerializer")]);
  const invoked: number[] = [];
  await callee.session.register("com.example.count", ([number]) => {
    invoked.push(Number(number));
    return Number(number) * 2;
  });
  const heard: number[] = [];
  const byPattern: number[] = [];
  await callee.session.subscribe("com.example.number", ([number]) => heard.push(Number(number)));
  await callee.session.subscribe("com.example.num", ([number]) => byPattern.push(Number(number)), { match: "prefix" });
  let isDone = false;
  const results: number[] = [];
  const work = (async () => {
    for (let number = 0; !isDone; number += 10) {
      const batch = Array.from({ length: 10 }, (_, index) => number + index);
      const published = batch.map((each) => caller.session.publish("com.example.number", [each], {}, { acknowledge: true }));
      const called = batch.map((each) => caller.session.call("com.example.count", [each]));
      results.push(...((await Promise.all(called)) as number[]));
      await Promise.all(published);
    }
  })();
  for (let release = 2; release <= 3; release++) {
    await system.deploy(String(release), { workers: 2 });
    if (release === 3) break;
    kill(system.live("worker")[0]);
  }
  isDone = true;
  await work;
  const expected = Array.from({ length: results.length }, (_, index) => index);
  expect(results).toEqual(expected.map((each) => each * 2));
  expect(invoked).toEqual(expected);
  await expect.poll(() => [heard.length, byPattern.length]).toEqual([results.length, results.length]);
  expect(heard).toEqual(expected);
  expect(byPattern).toEqual(expected);
  expect([caller.closed(), callee.closed()]).toEqual([undefined, undefined]);
  await Promise.all([caller.close(), callee.close()]);
});

// Calls of WAMP that end otherwise than by their result, with the clients that people have: cancelled, too late, or with their callee's
// gateway.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MsgpackSerializer } from "wampy/MsgpackSerializer.js";
import { gatewayOf } from "../protocol/connection-id.ts";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { type Opened, openAutobahn } from "./autobahn.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";
import { openWampy } from "./wampy.ts";

let system: TestSystem;
let url: string;
let store: string;

beforeAll(async () => {
  store = mkdtempSync(join(tmpdir(), "thinstate-wamp-calls-"));
  const nats = await startNats(0, ["-js", "-sd", store]);
  system = await TestSystem.start({ handlers: "wamp", workers: 2, gateways: 2, nats });
  url = `${system.url}/ws`;
});

afterAll(async () => {
  await system.stop();
  rmSync(store, { recursive: true });
});

test("AutobahnJS: a call is cancelled, or ends when its time is up; callees take turns", async () => {
  const [one, two, three] = await Promise.all([openAutobahn(url), openAutobahn(url, {}, "MsgpackSerializer"), openAutobahn(url)]);
  const signal = new Signal();
  const invoked: unknown[] = [];
  let answer = () => {};
  const late = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const registration = await two.session.register("com.example.slow", async ([mode]) => {
    invoked.push(mode);
    signal.tell();
    await late;
    return "late";
  });
  // In another mode it closes its own session at the router's ERROR.
  const call = one.session.call("com.example.slow", ["kill"]);
  const cancelled = expect(call).rejects.toMatchObject({ error: "wamp.error.canceled" });
  await signal.until(() => invoked.includes("kill"), "it is invoked", patienceMs);
  call.cancel({ mode: "kill" });
  await cancelled;
  await expect(one.session.call("com.example.slow", ["timeout"], {}, { timeout: 100 })).rejects.toMatchObject({
    error: "wamp.error.timeout",
  });
  answer();
  expect(await one.session.call("com.example.slow", ["again"])).toBe("late");
  await two.session.unregister(registration);

  await two.session.register("com.example.shared", () => "two", { invoke: "roundrobin" });
  await three.session.register("com.example.shared", () => "three", { invoke: "roundrobin" });
  const answers: unknown[] = [];
  for (let call = 0; call < 4; call++) answers.push(await one.session.call("com.example.shared"));
  expect(new Set(answers)).toEqual(new Set(["two", "three"]));
  expect([answers[0] === answers[2], answers[1] === answers[3]]).toEqual([true, true]);
  await Promise.all([one, two, three].map((each) => each.close()));
});

test("Wampy: a call is cancelled, or ends when its time is up; what comes later is dropped; callees take turns", async () => {
  const [one, two, three] = await Promise.all([openWampy(url), openWampy(url, { serializer: new MsgpackSerializer() }), openWampy(url)]);
  const signal = new Signal();
  const invoked: unknown[] = [];
  let answer = () => {};
  const late = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await two.register("com.example.slow", async ({ argsList }) => {
    invoked.push(argsList?.[0]);
    signal.tell();
    await late;
    return { argsList: ["late"] };
  });
  // Wampy cannot be interrupted, and says so: its calls end at once.
  for (const mode of ["kill", "killnowait", "skip"] as const) {
    const call = one.call("com.example.slow", [mode]);
    const request = one.getOpStatus().reqId;
    const cancelled = expect(call).rejects.toMatchObject({ errorUri: "wamp.error.canceled" });
    await signal.until(() => invoked.includes(mode), `${mode}: it is invoked`, patienceMs);
    one.cancel(request, { mode });
    await cancelled;
  }
  await expect(one.call("com.example.slow", ["timeout"], { timeout: 100 })).rejects.toMatchObject({ errorUri: "wamp.error.timeout" });
  answer();
  expect((await one.call("com.example.slow", ["again"])).argsList).toEqual(["late"]);
  await two.unregister("com.example.slow");

  for (const callee of [two, three]) {
    const name = callee === two ? "two" : "three";
    await callee.register("com.example.shared", () => ({ argsList: [name] }), { invoke: "roundrobin" });
  }
  const answers: unknown[] = [];
  for (let call = 0; call < 4; call++) answers.push((await one.call("com.example.shared")).argsList?.[0]);
  expect(new Set(answers)).toEqual(new Set(["two", "three"]));
  expect([answers[0] === answers[2], answers[1] === answers[3]]).toEqual([true, true]);
  await Promise.all([one, two, three].map((each) => each.disconnect()));
});

/** At which gateway a session is. */
async function gatewayOfSession({ session }: Opened): Promise<string> {
  return gatewayOf(String(await session.call("com.server.connection")));
}

/** The kernel deals connections out by chance: opens more until one is at another gateway than the first. */
async function openApart(): Promise<{ caller: Opened; callee: Opened; callees: string }> {
  const caller = await openAutobahn(url);
  const callers = await gatewayOfSession(caller);
  for (;;) {
    const callee = await openAutobahn(url);
    const callees = await gatewayOfSession(callee);
    if (callees !== callers) return { caller, callee, callees };
    await callee.close();
  }
}

test("caller and callee at two gateways: calls, events, and an error where the callee's gateway is killed with a call open", async () => {
  const { caller, callee, callees } = await openApart();
  const signal = new Signal();
  const heard: unknown[] = [];
  let isInvoked = false;
  await callee.session.register("com.example.apart", ([number]) => Number(number) + 1);
  await callee.session.register("com.example.never", () => {
    isInvoked = true;
    signal.tell();
    return new Promise(() => {});
  });
  await callee.session.subscribe("com.example.apart", ([number]) => {
    heard.push(number);
    signal.tell();
  });
  const numbers = Array.from({ length: 16 }, (_, index) => index);
  for (const number of numbers) caller.session.publish("com.example.apart", [number]);
  const results = await Promise.all(numbers.map((number) => caller.session.call("com.example.apart", [number])));
  expect(results).toEqual(numbers.map((number) => number + 1));
  await signal.until(() => heard.length >= numbers.length, "all events arrive", patienceMs);
  expect(heard).toEqual(numbers);

  const open = caller.session.call("com.example.never");
  const failed = expect(open).rejects.toMatchObject({ error: "wamp.error.canceled" });
  await signal.until(() => isInvoked, "it is invoked", patienceMs);
  const pid = system.gatewayHellos.find(({ id }) => id === callees)?.pid;
  await system
    .live("gateway")
    .find((gateway) => gateway.pid === pid)
    ?.end("SIGKILL");
  system.say({ kind: "gone", id: callees, reason: "exited" });
  await failed;
  expect(caller.closed()).toBeUndefined();
  await expect(caller.session.call("com.example.apart", [1])).rejects.toMatchObject({ error: "wamp.error.no_such_procedure" });
  await caller.close();
});

import pino from "pino";
import { expect, test } from "vitest";
import { GatewayLostHooks } from "./gateway-lost-hooks.ts";
import { type App, defineHandler, type Hooks } from "./handler.ts";

function hooksOf(turnTimeoutMs: number, ...all: Array<Hooks["onGatewayLost"]>): GatewayLostHooks {
  const handlers = all.map((onGatewayLost, index) => ({
    file: `${index}.ts`,
    handler: defineHandler({ path: `/${index}`, ...(onGatewayLost && { onGatewayLost }) }),
  }));
  const hub = { get: () => undefined };
  return new GatewayLostHooks({ handlers, app: {} as App, hub, limits: { turnTimeoutMs }, log: pino({ enabled: false }) });
}

test("each handler that has the hook is told, whatever another's does", async () => {
  const told: string[] = [];
  const hooks = hooksOf(
    60_000,
    (_app, { gateway }) => {
      told.push(`first ${gateway}`);
      throw new Error("no");
    },
    undefined,
    async (_app, { gateway }) => void told.push(`third ${gateway}`),
    () => Promise.reject(new Error("no")),
  );
  expect(await hooks.run("g1", new AbortController().signal)).toBe(2);
  expect(told).toEqual(["first g1", "third g1"]);
  expect(hooks).toMatchObject({ running: 0, failed: 2 });
});

test("one that never settles has failed when its time is up, and its signal aborts", async () => {
  let reason: unknown;
  const hooks = hooksOf(1, (_app, { signal }) => {
    signal.addEventListener("abort", () => {
      reason = signal.reason;
    });
    return new Promise(() => undefined);
  });
  const running = hooks.run("g1", new AbortController().signal);
  expect(hooks.running).toBe(1);
  expect(await running).toBe(1);
  expect(reason).toMatchObject({ code: "turn.timeout" });
  expect(hooks.running).toBe(0);
});

test("one that nobody waits for any more is told so by its signal", async () => {
  const controller = new AbortController();
  const seen: boolean[] = [];
  const hooks = hooksOf(60_000, (_app, { signal }) => {
    signal.addEventListener("abort", () => seen.push(signal.aborted));
    return new Promise(() => undefined);
  });
  const running = hooks.run("g1", controller.signal);
  controller.abort();
  expect(await running).toBe(1);
  expect(seen).toEqual([true]);
});

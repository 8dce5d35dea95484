import pino from "pino";
import { expect, test } from "vitest";
import { type App, defineHandler, type Hooks } from "./handler.ts";
import { LossHooks } from "./loss-hooks.ts";

function hooksOf(turnTimeoutMs: number, ...all: Array<Hooks["onGatewayLost"]>): LossHooks {
  const handlers = all.map((onGatewayLost, index) => ({
    file: `${index}.ts`,
    handler: defineHandler({ path: `/${index}`, ...(onGatewayLost && { onGatewayLost }) }),
  }));
  return new LossHooks({ handlers, app: {} as App, limits: { turnTimeoutMs }, log: pino({ enabled: false }) });
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
  expect(await hooks.run("g1")).toBe(2);
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
  const running = hooks.run("g1");
  expect(hooks.running).toBe(1);
  expect(await running).toBe(1);
  expect(reason).toMatchObject({ code: "turn.timeout" });
  expect(hooks.running).toBe(0);
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { decodeBatch, encodeEmptyBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { type GatewayHello, heartbeatMs } from "../protocol/membership.ts";
import { flag, toGateway } from "../protocol/records.ts";
import type { CommittedClose } from "./gateway-peer.ts";
import { Gateways } from "./gateways.ts";

const silenceMs = 120_000;

let told: string[];
let gateways: Gateways;
let connected: boolean;
/** NATS answers. */
let answers: boolean;
let closing: ((peer: string) => void) | undefined;

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  told = [];
  connected = answers = true;
  closing = undefined;
  const options = { session: 1, transmit: ignore, onBegun: ignore, onCredit: ignore, onLost: ignore };
  gateways = new Gateways({
    hub: {
      open: (peer) => new Link({ self: "w", peer, now: Date.now, ...options }),
      close: (peer) => closing?.(peer),
      stoodStill: ignore,
    },
    bus: {
      get connected() {
        return connected;
      },
      flush: () => (answers ? Promise.resolve() : new Promise(ignore)),
    },
    log: { info: ignore, warn: ignore },
    now: Date.now,
    silenceMs,
    onMet: ignore,
    onSilent: (id) => told.push(`${id} is silent`),
    onLost: ({ id, closes }) => told.push(`${id} is lost${closes.map(({ batch }) => `, with a close in batch ${batch}`).join("")}`),
  });
  gateways.begin();
});
afterEach(() => {
  gateways.end();
  vi.useRealTimers();
});

function ignore(): void {}

/** Time passes, in which these say hello. */
async function pass(ms: number, ...heard: readonly string[]): Promise<void> {
  for (const until = Date.now() + ms; Date.now() < until; ) {
    await vi.advanceTimersByTimeAsync(heartbeatMs / 4);
    if (Date.now() % heartbeatMs === 0) for (const id of heard) gateways.hear(id);
  }
}

/** Those that answers are awaited of. */
function awaited(): string[] {
  return gateways.ids.filter((id) => gateways.get(id)?.isSilent === false);
}

test("a gateway is silent when three heartbeats were missed, until it is heard again; then it is lost", async () => {
  await pass(5_000, "a", "b");
  await pass(3_250, "b");
  expect([told, awaited()]).toEqual([[], ["b", "a"]]);
  await pass(750, "b");
  expect([told, awaited(), gateways.ids]).toEqual([["a is silent"], ["b"], ["b", "a"]]);
  await pass(1_000, "a", "b");
  expect(awaited().sort()).toEqual(["a", "b"]);
  await pass(silenceMs + 1_000, "b");
  expect([told, gateways.ids]).toEqual([["a is silent", "a is silent", "a is lost"], ["b"]]);
});

test("nobody falls silent while NATS is away or does not answer; and who was silent before has to be heard again", async () => {
  await pass(5_000, "a", "b");
  await pass(5_000, "b");
  expect(awaited()).toEqual(["b"]);
  answers = false;
  await pass(30_000);
  answers = true;
  await pass(2_000);
  expect(awaited()).toEqual(["b"]);
  connected = false;
  await pass(30_000);
  connected = true;
  gateways.excuse();
  await pass(2_000);
  expect([told, awaited()]).toEqual([["a is silent"], ["b"]]);
});

test("nobody falls silent because this process has stood still", async () => {
  await pass(5_000, "a", "b");
  vi.setSystemTime(Date.now() + 60_000);
  await pass(2_000);
  expect(awaited().sort()).toEqual(["a", "b"]);
});

test("one that is lost has not acknowledged what its link kept for it until the end", async () => {
  const { link, closes } = gateways.hear("a");
  closing = () => link.close();
  for (let batch = 1; batch <= 3; batch++) {
    link.appendEmpty({ type: toGateway.nothing, flags: flag.commit, extra: 0, slot: batch, epoch: 1 });
    link.flush();
    closes.push({ batch } as CommittedClose);
  }
  const acknowledge = (ack: number) =>
    link.receive(decodeBatch(encodeEmptyBatch({ from: "a", to: "w", session: 1, peerSession: 1, seq: 0, ack, gap: false })));
  acknowledge(1);
  await pass(heartbeatMs / 4);
  expect(closes.map(({ batch }) => batch)).toEqual([2, 3]);
  acknowledge(2);
  gateways.lose("a", "exited", true);
  expect(told).toEqual(["a is lost, with a close in batch 3"]);
});

test("of one whose hello has not come, the least is assumed at first; later it has just begun or has ended, and counts for nothing", async () => {
  gateways.hear("a");
  expect(gateways.minLevel).toBe(0);
  gateways.hearHello({ id: "a", level: 1 } as GatewayHello);
  expect(gateways.minLevel).toBe(1);
  await pass(2_000, "a");
  gateways.hear("b");
  expect(gateways.minLevel).toBe(1);
  gateways.hearHello({ id: "b" } as GatewayHello);
  expect(gateways.minLevel).toBe(0);
});

import { expect, test } from "vitest";
import { ClientLimits } from "./client-limits.ts";
import { Entrance, type EntranceOptions } from "./entrance.ts";
import type { Incoming } from "./uws/request.ts";
import type { WaitingRequest } from "./uws/waiting-client.ts";

const each = { messages: 1, bytes: 1, pings: 1 };
const rates = { connection: each, addressFactor: 1, userFactor: 1, connections: 2, upgrades: 9, failures: 9, requests: 9 };

function client(): WaitingRequest {
  return { isGone: false, onGone: undefined, answer: () => undefined, begin: () => undefined, readBody: () => undefined };
}

test("requests count among the gateway's connections until they are answered or their client goes, the one that comes not yet", () => {
  const limits = new ClientLimits({ now: () => 0, rates, isExempt: () => false });
  const waiting: WaitingRequest[] = [];
  const seen: number[] = [];
  const upgrades = {
    request: (_incoming: Incoming, request: WaitingRequest) => {
      seen.push(entrance.waiting);
      waiting.push(request);
    },
  } as unknown as EntranceOptions["upgrades"];
  const entrance = new Entrance({ limits, upgrades, sparseLog: { warn: () => undefined } as unknown as EntranceOptions["sparseLog"] });
  const incoming = { ip: "192.0.2.1" } as Incoming;
  const [stays, goes] = [client(), client()];
  entrance.request(incoming, stays);
  entrance.request(incoming, goes);
  expect([seen, entrance.waiting]).toEqual([[0, 1], 2]);
  goes.onGone?.();
  expect(entrance.waiting).toBe(1);
  waiting[0]?.answer({ status: 200, headers: [], body: "", close: undefined });
  expect([entrance.waiting, limits.addressOf(incoming.ip).connections]).toEqual([0, 0]);
});

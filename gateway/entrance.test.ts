import { beforeEach, expect, test } from "vitest";
import { ClientLimits } from "./client-limits.ts";
import type { Connection } from "./connection.ts";
import { Entrance, type EntranceOptions } from "./entrance.ts";
import type { BodyClient } from "./request-bodies.ts";
import type { Incoming } from "./uws/request.ts";
import type { WaitingClient, WaitingRequest, WaitingUpgrade } from "./uws/waiting-client.ts";

const each = { messages: 1, bytes: 1, pings: 1 };
const rates = { connection: each, addressFactor: 1, userFactor: 1, connections: 2, upgrades: 9, failures: 9, requests: 9 };

const incoming = { ip: "192.0.2.1" } as Incoming;
const sparseLog = { warn: () => undefined } as unknown as EntranceOptions["sparseLog"];
const log = { error: () => undefined };

let hasPeers = false;
let isFull = false;
let now: number;
let steps: Array<() => void>;

beforeEach(() => {
  hasPeers = isFull = false;
  now = 0;
  steps = [];
});

function upgrading(accept: WaitingUpgrade<Connection>["accept"]): WaitingUpgrade<Connection> {
  return { isGone: false, onGone: undefined, answer: () => undefined, begin: () => undefined, accept };
}

function client(): WaitingRequest {
  return { isGone: false, onGone: undefined, answer: () => undefined, begin: () => undefined, readBody: () => undefined };
}

function entranceBefore(upgrades: EntranceOptions["upgrades"], limits: ClientLimits, errors: EntranceOptions["log"] = log): Entrance {
  return new Entrance({
    ...{ limits, upgrades, log: errors, sparseLog },
    hasPeers: () => hasPeers,
    isFull: () => isFull,
    now: () => now,
    later: (run) => void steps.push(run),
  });
}

/** A gateway's entrance with upgrades that do as `take` does. */
function entranceOf(take: (client: WaitingClient) => void) {
  const limits = new ClientLimits({ now: () => 0, rates, isExempt: () => false });
  const bugs: unknown[] = [];
  const refused: unknown[] = [];
  const upgrades = {
    upgrade: (_incoming: Incoming, waiting: WaitingClient) => take(waiting),
    request: (_incoming: Incoming, waiting: WaitingClient) => take(waiting),
    refusals: {
      refuse: (kind: string, waiting: WaitingClient, { status, code }: { status: number; code: string }) => {
        refused.push(`${kind} ${status} ${code}`);
        waiting.answer({ status, headers: [], body: "" });
      },
    },
  } as unknown as EntranceOptions["upgrades"];
  const errors = { error: ({ err }: { err: unknown }) => void bugs.push(err) } as unknown as EntranceOptions["log"];
  const entrance = entranceBefore(upgrades, limits, errors);
  return { entrance, bugs, refused, limits, address: limits.addressOf(incoming.ip) };
}

test.each(["upgrade", "request"] as const)("a bug that meets one %s is answered with 500, and leaves no place taken", (kind) => {
  const bug = new Error("bug");
  const { entrance, bugs, refused, address } = entranceOf(() => {
    throw bug;
  });
  if (kind === "upgrade")
    entrance.upgrade(
      incoming,
      upgrading(() => undefined),
    );
  else entrance.request(incoming, client());
  expect([bugs, refused, entrance.waiting, address.connections]).toEqual([[bug], [`${kind} 500 connection.bug`], 0, 0]);
});

test("one whose admission throws is answered, too; where even an answer throws, its place is given back all the same", () => {
  const fails = () => {
    throw new Error("bug");
  };
  const { entrance, refused, address } = entranceOf((waiting) => {
    if ("accept" in waiting) (waiting as WaitingUpgrade<Connection>).accept(fails, "", []);
    else waiting.answer({ status: 200, headers: [], body: "" });
  });
  entrance.upgrade(
    incoming,
    upgrading((admit) => void admit()),
  );
  expect(refused).toEqual(["upgrade 500 connection.bug"]);
  expect(() => entrance.request(incoming, { ...client(), answer: fails })).toThrow("bug");
  expect(address.connections).toBe(0);
});

test("an upgrade that waits for its turn has its place; one that goes meanwhile gives it back, and is not looked at", () => {
  const taken: WaitingClient[] = [];
  const { entrance, address } = entranceOf((waiting) => {
    taken.push(waiting);
    now += 100;
  });
  const others = [1, 2].map(() => ({ ...upgrading(() => undefined), isGone: false }));
  for (const upgrade of [upgrading(() => undefined), ...others]) entrance.upgrade({ ip: "192.0.2.1" } as Incoming, upgrade);
  // A third one would be beyond ADDRESS_CONNECTIONS.
  expect([taken.length, entrance.waiting, address.connections]).toEqual([1, 2, 2]);
  const [goes] = others as [(typeof others)[0]];
  goes.isGone = true;
  goes.onGone?.();
  expect([entrance.waiting, address.connections]).toEqual([1, 1]);
  for (const step of steps.splice(0)) step();
  expect(taken).toHaveLength(1);
});

test("an upgrade that waited is refused where others of its address have failed meanwhile", () => {
  const { entrance, refused, address, limits } = entranceOf((waiting) => {
    waiting.answer({ status: 404, headers: [], body: "", close: undefined });
    now += 100;
  });
  for (let count = 0; count < 2; count++)
    entrance.upgrade(
      { ip: "192.0.2.1" } as Incoming,
      upgrading(() => undefined),
    );
  for (let count = 0; count < 60; count++) limits.failed(address);
  for (const step of steps.splice(0)) step();
  expect([refused, entrance.waiting, address.connections]).toEqual([["upgrade 429 rate.requests"], 0, 0]);
});

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
  const entrance = entranceBefore(upgrades, limits);
  const [stays, goes] = [client(), client()];
  entrance.request(incoming, stays);
  entrance.request(incoming, goes);
  expect([seen, entrance.waiting]).toEqual([[0, 1], 2]);
  goes.onGone?.();
  expect(entrance.waiting).toBe(1);
  waiting[0]?.answer({ status: 200, headers: [], body: "", close: undefined });
  expect([entrance.waiting, limits.addressOf(incoming.ip).connections]).toEqual([0, 0]);
});

test("at ADDRESS_CONNECTIONS, there is room for the requests of sessions that are open, and for no more", () => {
  const hadRoom: unknown[] = [];
  const limits = new ClientLimits({ now: () => 0, rates, isExempt: () => false });
  const waiting: BodyClient[] = [];
  const upgrades = {
    request: (_incoming: Incoming, request: BodyClient, hasRoom: boolean) => {
      hadRoom.push(hasRoom);
      waiting.push(request);
    },
    refusals: { refuse: () => hadRoom.push("refused") },
  } as unknown as EntranceOptions["upgrades"];
  const entrance = entranceBefore(upgrades, limits);
  const address = limits.addressOf(incoming.ip);
  for (let count = 0; count < rates.connections; count++) limits.addresses.enter(address);
  const comes = () => entrance.request(incoming, client());
  comes();
  address.sessions++;
  for (let count = 0; count < 4; count++) comes();
  expect(hadRoom.splice(0)).toEqual(["refused", true, true, true, "refused"]);
  waiting[0]?.answer({ status: 200, headers: [], body: "", close: undefined });
  comes();
  comes();
  expect(hadRoom.splice(0)).toEqual([true, "refused"]);
  // A stream that is no session's leaves the room that it was let in by, and is refused beyond what plain requests have.
  expect(waiting[1]?.onPlain?.()).toEqual({ status: 429, code: "address.connections" });
  comes();
  waiting[1]?.answer({ status: 200, headers: [], body: "", close: undefined });
  comes();
  expect(hadRoom).toEqual([true, "refused"]);
});

test.each([false, true])(
  "a stream that ordinary room let in is not refused when its worker begins it, other gateways or not: %s",
  (has) => {
    hasPeers = has;
    const clients: BodyClient[] = [];
    const { entrance } = entranceOf((waiting) => void clients.push(waiting as BodyClient));
    for (let count = 0; count < rates.connections; count++) entrance.request(incoming, client());
    // More have come meanwhile.
    isFull = true;
    expect(clients.map((each) => each.onPlain?.())).toEqual([undefined, undefined]);
  },
);

test("where there are other gateways, a first request that had ordinary room for none is refused as a stream, if there is still none", () => {
  hasPeers = true;
  const clients: BodyClient[] = [];
  const { entrance, limits, address } = entranceOf((waiting) => void clients.push(waiting as BodyClient));
  for (let count = 0; count < rates.connections; count++) limits.addresses.enter(address);
  entrance.request(incoming, client());
  expect(clients[0]?.onPlain?.()?.code).toBe("address.connections");
  limits.addresses.leave(address);
  expect(clients[0]?.onPlain?.()).toBeUndefined();
});

test("a stream that is no session's is refused at a full gateway only where it was let in by a session's room", () => {
  const clients: BodyClient[] = [];
  const { entrance, address } = entranceOf((waiting) => void clients.push(waiting as BodyClient));
  entrance.request(incoming, client());
  address.sessions++;
  isFull = true;
  entrance.request(incoming, client());
  expect(clients.map((each) => each.onPlain?.()?.code)).toEqual([undefined, "gateway.full"]);
});

test("where there are other gateways, the first requests for a session there are let in: three of an address, so many of all", () => {
  hasPeers = true;
  const { entrance, refused, limits } = entranceOf(() => undefined);
  const fill = (ip: string) => {
    const address = limits.addressOf(ip);
    while (address.connections < rates.connections) limits.addresses.enter(address);
  };
  const comes = (ip: string) => entrance.request({ ip } as Incoming, client());
  fill("192.0.2.1");
  for (let count = 0; count < 4; count++) comes("192.0.2.1");
  expect(refused.splice(0)).toEqual(["request 429 address.connections"]);
  for (let count = 1; count <= 998; count++) {
    const ip = `198.51.${Math.floor(count / 250)}.${count % 250}`;
    fill(ip);
    comes(ip);
  }
  expect(refused).toEqual(["request 429 address.connections"]);
});

test("of the first requests for sessions elsewhere, only those count that had no other room, until their session is found", () => {
  hasPeers = true;
  const clients: BodyClient[] = [];
  const { entrance, refused, limits } = entranceOf((waiting) => void clients.push(waiting as BodyClient));
  let last = 0;
  const come = (count: number, isAlone: boolean) => {
    for (const end = last + count; last < end; last++) {
      const ip = `198.${Math.floor(last / 62_500)}.${Math.floor(last / 250) % 250}.${last % 250}`;
      const address = limits.addressOf(ip);
      while (!isAlone && address.connections < rates.connections) limits.addresses.enter(address);
      entrance.request({ ip } as Incoming, client());
    }
    return refused.splice(0).length;
  };
  expect(come(1_000, true)).toBe(0);
  expect(come(1_001, false)).toBe(1);
  for (const each of clients) each.onSession?.();
  expect(come(1_001, false)).toBe(1);
  // These are over only now.
  for (const each of clients) each.answer({ status: 200, headers: [], body: "" });
  expect(come(1_001, false)).toBe(1);
});

// Three gateways that ask each other over a bus that may lose what is said to one of them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import type { BusMessage } from "../../protocol/bus.ts";
import { encodeQuestion, type GatewayCommand } from "../../protocol/gateway-questions.ts";
import type { GatewayHello } from "../../protocol/membership.ts";
import { subjectsOf } from "../../protocol/subjects.ts";
import { PeerGateways } from "../peer-gateways.ts";
import { AllGateways } from "./all-gateways.ts";
import { countsOf } from "./counts-endpoint.ts";
import { IdempotentAnswers } from "./idempotent-answers.ts";
import { type Cursor, memberPage } from "./member-pages.ts";

const subjects = subjectsOf("test");
const limits = { timeoutMs: 1_000, waiting: 2 };
const listeners = new Map<string, (message: BusMessage) => void>();
/** Subjects whose messages are lost. */
const lost = new Set<string>();
let nowMs: number;
let faults: unknown[];

const bus = {
  publish: (subject: string, payload: Uint8Array) => {
    if (!lost.has(subject)) listeners.get(subject)?.({ subject, payload, isUnheard: false, header: () => undefined });
  },
  subscribe: (subject: string, listener: (message: BusMessage) => void) => {
    listeners.set(subject, listener);
    return { unsubscribe: () => listeners.delete(subject) };
  },
};

class TestGateway {
  readonly id: string;
  readonly done: GatewayCommand[] = [];
  /** How many connections a user has here; members of any topic. */
  connections = 1;
  members: string[] = [];
  readonly peers = new PeerGateways({ now: () => nowMs, timeoutMs: () => 60_000 });
  readonly all: AllGateways;

  constructor(id: string) {
    this.id = id;
    this.all = new AllGateways({
      ...{ self: id, bus, subjects, peers: this.peers, now: () => nowMs, limits },
      answers: new IdempotentAnswers({ now: () => nowMs, limits: () => ({ answers: 10, keptMs: 60_000 }) }),
      run: (command, answer) => {
        this.done.push(command);
        if (command.kind === "counts") return answer({ connections: this.connections, topics: 2 });
        if (command.kind !== "members") return answer(this.connections);
        const { after, limit = 0 } = command;
        const ids = this.members.slice(after, after + limit);
        const told = { ids, users: ids.map(() => ""), info: ids.map((name) => JSON.stringify(name)), since: ids.map(() => 0) };
        answer(after + limit < this.members.length ? { ...told, next: after + limit } : told);
      },
      onBug: (error) => faults.push(error),
    });
    this.all.begin();
  }

  hears(...others: TestGateway[]): void {
    for (const { id } of others) this.peers.hear({ kind: "gateway", id, level: 1 } as GatewayHello);
  }
}

let g1: TestGateway;
let g2: TestGateway;
let g3: TestGateway;

beforeEach(() => {
  [nowMs, faults] = [0, []];
  listeners.clear();
  lost.clear();
  [g1, g2, g3] = ["g1", "g2", "g3"].map((id) => new TestGateway(id)) as [TestGateway, TestGateway, TestGateway];
  nowMs = 10_000;
  for (const gateway of [g1, g2, g3]) gateway.hears(...[g1, g2, g3].filter((other) => other !== gateway));
});

const send: GatewayCommand = { kind: "sendToUser", user: "ada", data: Buffer.from("hi"), binary: false };
const once = { name: "shop k", fingerprint: "f" };

async function passes(ms: number): Promise<void> {
  // What was asked until now is under way.
  await nextTurn();
  nowMs += ms;
  for (const { all } of [g1, g2, g3]) all.sweep();
}

test("a call is done at each gateway, and answers with how many connections it met there together", async () => {
  [g1.connections, g2.connections, g3.connections] = [1, 0, 2];
  expect(await g2.all.count(send, undefined)).toBe(3);
  for (const { done } of [g1, g2, g3]) expect(done).toEqual([send]);
});

test("one that is there and does not answer in time fails the call; sent again, it is done only where it was not", async () => {
  lost.add(subjects.asked("g3"));
  const failed = expect(g1.all.count(send, once)).rejects.toMatchObject({
    code: "api.unanswered",
    message: expect.stringMatching(/g3.*same/),
  });
  await passes(999);
  const later = expect(g1.all.count(send, undefined)).rejects.toThrow("with an Idempotency-Key, it could be sent again");
  await passes(1_000);
  await Promise.all([failed, later]);
  lost.clear();
  for (const { done } of [g1, g2, g3]) done.length = 0;
  // Another gateway may be asked the second time.
  expect(await g2.all.count(send, once)).toBe(3);
  expect([g1.done, g2.done, g3.done]).toEqual([[], [], [send]]);
});

test("what an answer that was lost told of is not done twice", async () => {
  lost.add(subjects.answered("g1"));
  const failed = expect(g1.all.count(send, once)).rejects.toMatchObject({ code: "api.unanswered" });
  await passes(1_000);
  await failed;
  lost.clear();
  expect(await g1.all.count(send, once)).toBe(3);
  for (const { done } of [g1, g2, g3]) expect(done).toHaveLength(1);
});

test("nobody waits for one that has gone, before or after it was asked", async () => {
  lost.add(subjects.asked("g2"));
  const asked = g1.all.count(send, undefined);
  await passes(1);
  g1.peers.hear({ kind: "gone", id: "g2", reason: "exited" });
  expect(await asked).toBe(2);
  expect(await g1.all.count(send, undefined)).toBe(2);
});

test("a call that comes again while it is under way waits for the same answer", async () => {
  lost.add(subjects.answered("g1"));
  const both = [g1.all.count(send, once), g1.all.count(send, once)].map((each) => expect(each).rejects.toThrow("g2, g3"));
  await passes(1_000);
  await Promise.all(both);
  for (const { done } of [g1, g2, g3]) expect(done).toHaveLength(1);
});

test("another call by the same name is refused, wherever the first one was made", async () => {
  g2.peers.hear({ kind: "gone", id: "g1", reason: "bye" });
  await g2.all.count(send, once);
  const other = { ...once, fingerprint: "other" };
  await expect(g2.all.count(send, other)).rejects.toMatchObject({ code: "api.idempotency" });
  await expect(g1.all.count(send, other)).rejects.toMatchObject({ code: "api.idempotency", message: expect.stringContaining("g2") });
  expect([g2.done.length, faults]).toEqual([1, []]);
});

describe("nothing is done where", () => {
  test("a gateway is too old to be asked", async () => {
    g1.peers.hear({ kind: "gateway", id: "g0", level: 0 } as GatewayHello);
    await expect(g1.all.count(send, undefined)).rejects.toMatchObject({ code: "gateway.outdated", status: 503 });
    expect([g1.done, g2.done, g3.done]).toEqual([[], [], []]);
  });

  test("too many calls wait for others", async () => {
    lost.add(subjects.asked("g2"));
    const waiting = [0, 1].map(() => g1.all.count(send, undefined));
    await passes(1);
    await expect(g1.all.count(send, undefined)).rejects.toMatchObject({ code: "api.busy", status: 503 });
    g1.peers.hear({ kind: "gone", id: "g2", reason: "bye" });
    await Promise.all(waiting);
    expect(await g1.all.count(send, undefined)).toBe(2);
    expect(g1.done).toHaveLength(3);
  });

  test("too many wait until the others are known", async () => {
    g1.peers.listens();
    const waiting = [0, 1].map(() => g1.all.count(send, undefined));
    await expect(g1.all.count(send, undefined)).rejects.toMatchObject({ code: "api.busy" });
    await passes(1_000);
    expect(await Promise.all(waiting)).toEqual([3, 3]);
  });
});

test("shortly after its begin a gateway waits until it knows the others", async () => {
  g1.peers.hear({ kind: "gone", id: "g3", reason: "bye" });
  g1.peers.listens();
  const asked = g1.all.count(send, undefined);
  await passes(999);
  expect(g1.done).toEqual([]);
  g1.hears(g3);
  await passes(1);
  expect(await asked).toBe(3);
});

test("a gateway is asked for nothing but what concerns its clients", () => {
  const bytes = encodeQuestion({ from: "g2", number: 1, command: { kind: "connections", from: 0 } as unknown as GatewayCommand });
  expect(() => bus.publish(subjects.asked("g1"), bytes)).toThrow("a command of gateways");
});

test("counts are those of all gateways, and fail where one does not answer", async () => {
  [g1.connections, g2.connections, g3.connections] = [1, 0, 4];
  const gateways = [
    { gateway: "g1", connections: 1, topics: 2 },
    { gateway: "g2", connections: 0, topics: 2 },
    { gateway: "g3", connections: 4, topics: 2 },
  ];
  expect(await countsOf(g2.all)).toEqual({ connections: 5, gateways });
  lost.add(subjects.asked("g3"));
  const failed = expect(countsOf(g2.all)).rejects.toMatchObject({
    code: "api.unanswered",
    message: expect.stringMatching(/g3.*try again$/),
  });
  await passes(1_000);
  await failed;
});

test("members come in pages, gateway by gateway, each once", async () => {
  [g1.members, g2.members, g3.members] = [["a", "b", "c"], [], ["d", "e"]];
  for (const limit of [1, 2, 3, 4, 5, 100]) {
    const names: unknown[] = [];
    let cursor: Cursor | undefined;
    do {
      const page = await memberPage("room", { limit, cursor }, g2.all);
      expect(page.members.length).toBeLessThanOrEqual(limit);
      names.push(...page.members.map(({ info }) => info));
      cursor = page.next;
    } while (cursor !== undefined && names.length < 10);
    expect(names).toEqual(["a", "b", "c", "d", "e"]);
  }
});

test("a list has members of all gateways also where it is asked for before they are known", async () => {
  [g1.members, g3.members] = [["a"], ["d"]];
  g1.peers.hear({ kind: "gone", id: "g3", reason: "bye" });
  g1.peers.listens();
  const asked = memberPage("room", { limit: 10, cursor: undefined }, g1.all);
  await passes(500);
  g1.hears(g3);
  await passes(500);
  expect((await asked).members.map(({ info }) => info)).toEqual(["a", "d"]);
});

test("a list leaves out a gateway that goes while it is made", async () => {
  [g1.members, g2.members, g3.members] = [["a"], ["b"], ["d"]];
  const { at } = g1.all;
  const asked = memberPage(
    "room",
    { limit: 10, cursor: undefined },
    {
      ids: () => g1.all.ids(),
      at: (gateway, command) => {
        if (gateway === "g2") g1.peers.hear({ kind: "gone", id: "g2", reason: "exited" });
        return at.call(g1.all, gateway, command);
      },
    },
  );
  expect((await asked).members.map(({ info }) => info)).toEqual(["a", "d"]);
});

test("a list goes on behind a gateway that has gone, and fails where one does not answer", async () => {
  [g1.members, g2.members, g3.members] = [["a"], ["b", "c"], ["d"]];
  const { next } = await memberPage("room", { limit: 2, cursor: undefined }, g1.all);
  expect(next).toEqual({ gateway: "g2", after: 1 });
  lost.add(subjects.asked("g2"));
  const failed = expect(memberPage("room", { limit: 2, cursor: next }, g1.all)).rejects.toMatchObject({ code: "api.unanswered" });
  await passes(1_000);
  await failed;
  g1.peers.hear({ kind: "gone", id: "g2", reason: "exited" });
  const { members } = await memberPage("room", { limit: 2, cursor: next }, g1.all);
  expect(members).toEqual([{ id: "d", gateway: "g3", info: "d", since: "1970-01-01T00:00:00.000Z" }]);
});

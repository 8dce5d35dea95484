import { beforeEach, expect, test } from "vitest";
import { type CommandBody, parseCommand } from "../protocol/commands.ts";
import { decodeBatch } from "../protocol/envelope.ts";
import { CodedError } from "../protocol/errors.ts";
import { Link, linkLimits } from "../protocol/link.ts";
import { toGateway } from "../protocol/records.ts";
import { AppClient } from "./app.ts";
import { GatewayCommands } from "./gateway-commands.ts";
import { GatewayPeer } from "./gateway-peer.ts";
import type { TaskPass } from "./tasks.ts";
import { InMemoryOneTimeStore } from "./testing/one-time-store.ts";

const body: CommandBody = { kind: "sendToUser", user: "ada", data: Buffer.from("hi"), binary: false };
/** Where more waits, a link has no credit. */
const unackedRecords = 5;

let peers: Map<string, GatewayPeer>;
let commands: GatewayCommands;
/** The numbers of what each gateway was asked. */
let asked: Map<string, number[]>;
/** All that was asked. */
let bodies: CommandBody[];

beforeEach(() => {
  peers = new Map();
  asked = new Map();
  bodies = [];
  for (const id of ["a", "b", "c"]) {
    const numbers: number[] = [];
    asked.set(id, numbers);
    const link = new Link({
      ...{ self: "w", peer: id, session: 1, now: () => 0, limits: { ...linkLimits, unackedRecords } },
      transmit: (bytes) => {
        const batch = decodeBatch(Buffer.from(bytes));
        for (let index = 0; index < batch.records; index++) {
          expect(batch.type(index)).toBe(toGateway.command);
          bodies.push(parseCommand(batch.payload(index)));
          numbers.push(batch.slot(index));
        }
      },
      ...{ onBegun: () => undefined, onCredit: () => undefined, onLost: () => undefined },
    });
    peers.set(id, new GatewayPeer(id, link, 0));
  }
  commands = new GatewayCommands({
    timeoutMs: 180_000,
    limitBytes: 1_000,
    gateways: {
      get ids() {
        return [...peers.keys()];
      },
      get: (id) => peers.get(id),
      minLevel: 1,
    },
    hub: { get: (id) => peers.get(id)?.link },
  });
});

function fallSilent(id: string): void {
  (peers.get(id) as GatewayPeer).isSilent = true;
  commands.fellSilent(id);
}

/** What the gateway was asked since the last time. */
function numbersOf(id: string): number[] {
  peers.get(id)?.link.flush();
  return asked.get(id)?.splice(0) ?? [];
}

function answer(id: string, result: number): void {
  for (const number of numbersOf(id)) commands.result(id, number, result);
}

function askAll(): Promise<unknown[]> {
  return commands.runEverywhere((peer) => commands.run(peer, body));
}

test("where all gateways are asked the same, nobody waits for one that goes, or falls silent, or is silent already", async () => {
  const first = askAll();
  answer("a", 3);
  fallSilent("b");
  peers.delete("c");
  commands.lost("c");
  expect(await first).toEqual([3]);
  const second = askAll();
  answer("a", 4);
  expect([await second, numbersOf("b")]).toEqual([[4], [expect.any(Number)]]);
});

test("where none of them is heard, that is an error: it may have happened", async () => {
  const asking = askAll();
  for (const id of peers.keys()) fallSilent(id);
  await expect(asking).rejects.toMatchObject({ code: "app.noGateway" });
  await expect(askAll()).rejects.toMatchObject({ code: "app.noGateway" });
});

test("one that is heard and refuses is an error, whatever the others answer", async () => {
  (peers.get("b") as GatewayPeer).level = 0;
  const asking = askAll();
  for (const id of ["a", "c"]) answer(id, 1);
  await expect(asking).rejects.toMatchObject({ code: "gateway.outdated" });
});

test("what one gateway alone can do waits for it while it is silent, and no longer than it lives", async () => {
  const one: CommandBody = { kind: "send", connection: "a-0-1", data: Buffer.from("hi"), binary: false };
  const asking = commands.run("a", one);
  fallSilent("a");
  answer("a", 1);
  expect(await asking).toBe(1);
  const again = commands.run("a", one);
  peers.delete("a");
  commands.lost("a");
  await expect(again).rejects.toMatchObject({ code: "app.noGateway" });
});

test("a silent gateway is told what all are told, as far as its link has credit; the others are not", () => {
  fallSilent("b");
  for (let count = 0; count < unackedRecords + 3; count++) commands.tellSilent(body);
  expect([numbersOf("a").length, numbersOf("b").length, numbersOf("c").length]).toEqual([0, unackedRecords, 0]);
});

test("a task's message has its fence also where it is left to a silent gateway", async () => {
  fallSilent("b");
  const pass: TaskPass = { fence: ["a.ts t", 7], check: () => undefined, over: () => new CodedError("task.over", "over") };
  const app = new AppClient({
    release: "1",
    workerId: "w",
    commands,
    oneTime: new InMemoryOneTimeStore(() => 0),
    limits: { messageBytes: 99 },
    pass,
  });
  const sending = app.sendToUser("ada", "hi");
  for (const id of ["a", "c"]) answer(id, 2);
  expect([await sending, numbersOf("b").length]).toEqual([4, 1]);
  expect(bodies).toEqual(Array(3).fill({ ...body, data: expect.anything(), fence: ["a.ts t", 7] }));
});

test("a silent gateway is not told what it would misunderstand, or what is too large", () => {
  for (const id of ["a", "b"]) fallSilent(id);
  (peers.get("a") as GatewayPeer).level = 0;
  commands.tellSilent({ ...body, data: Buffer.alloc(1_001) });
  commands.tellSilent(body);
  expect([numbersOf("a").length, numbersOf("b").length]).toEqual([0, 1]);
});

// Against a real nats-server, which may be away.

import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { connectBus } from "../nats/connection.ts";
import type { Bus } from "../protocol/bus.ts";
import { type Activation, type Announcement, decodeAnnouncement, encodeAnnouncement, heartbeatMs } from "../protocol/membership.ts";
import { usualPayloadBytes } from "../protocol/payload-limits.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { gateway, worker } from "../test/hellos.ts";
import { keptPort, startNats, type TestNats } from "../test/nats.ts";
import { joinOperator, type Operator } from "../test/operator.ts";
import { patienceMs } from "../testbed/patience.ts";
import { credentialsFile, ensureKeys } from "./nats-server/access.ts";
import { natsConfiguration } from "./nats-server/configuration.ts";

const namespace = "test";
const { members: subject, membersFromWorkers, replies } = subjectsOf(namespace);
const pid = 999_001;
const gone = { kind: "gone", id: "g1", reason: "exited" } as const;

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Somebody else on the same NATS. */
class Peer {
  readonly gone: Announcement[] = [];
  readonly activations: Activation[] = [];
  readonly bus: Bus;
  private readonly changes = new EventEmitter();

  private constructor(bus: Bus) {
    this.bus = bus;
    bus.subscribe(subject, ({ payload }) => {
      const announcement = decodeAnnouncement(payload);
      if (announcement.kind === "gone") this.gone.push(announcement);
      if (announcement.kind === "activate") this.activations.push(announcement.activation);
      this.changes.emit(announcement.kind);
    });
  }

  static async join(url: string): Promise<Peer> {
    const peer = new Peer(await connectBus({ url, name: "peer", onEvent: () => undefined }));
    cleanUps.push(() => peer.bus.close());
    await peer.bus.flush();
    return peer;
  }

  say(announcement: Announcement, where = subject): void {
    this.bus.publish(where, encodeAnnouncement(announcement));
  }

  /** A gateway that runs as the process. */
  hello(): void {
    this.say({ ...gateway, pid, host: hostname() });
  }

  /** Asks so often that heartbeats alone would take longer than a test may. @returns What it is told then. */
  async asks(): Promise<Activation[]> {
    const times = (2 * patienceMs) / heartbeatMs;
    const before = this.activations.length;
    for (let time = 0; time < times; time++) this.say({ kind: "ask" });
    while (this.activations.length < before + times) await once(this.changes, "activate");
    return this.activations.splice(0);
  }

  /** Resolves when somebody asks for hellos: whoever does can hear them. */
  async isAsked(): Promise<void> {
    await once(this.changes, "ask");
  }

  async hearsActivation(): Promise<void> {
    await once(this.changes, "activate");
  }

  async hears(count: number): Promise<Announcement[]> {
    while (this.gone.length < count) await once(this.changes, "gone");
    return this.gone;
  }
}

interface Joined extends Operator {
  readonly nats: TestNats;
  readonly peer: Peer;
}

async function joins(...parameters: Parameters<typeof joinOperator>): Promise<Operator> {
  const operator = await joinOperator(...parameters);
  cleanUps.push(() => operator.membership.leave());
  return operator;
}

/** A supervisor that has heard of a gateway of its own, and somebody who hears the supervisor. */
async function joined(port = 0): Promise<Joined> {
  const nats = await startNats(port);
  cleanUps.push(() => nats.stop());
  const peer = await Peer.join(nats.url);
  const asked = peer.isAsked();
  const { membership, events } = await joins(nats.url, namespace);
  const isKnown = membership.members.until(() => membership.members.gateways.length === 1, AbortSignal.timeout(patienceMs));
  await asked;
  peer.hello();
  await isKnown;
  return { nats, membership, peer, events };
}

test("the end of a process whose member had been silent for so long that it was forgotten is told", async () => {
  const { membership, peer } = await joined();
  const { members } = membership;
  await members.until(() => members.gateways.length === 0, AbortSignal.timeout(patienceMs));
  expect(membership.ended(pid)).toBe(true);
  expect(await peer.hears(1)).toEqual([gone]);
});

test("an end is told more than once", async () => {
  const { membership, peer } = await joined();
  membership.ended(pid);
  expect(await peer.hears(3)).toEqual([gone, gone, gone]);
});

test("an end that came while NATS was away is told when it is back", async () => {
  const port = await keptPort();
  const { nats, membership, peer, events } = await joined(port);
  const away = once(events, "NATS is gone");
  await nats.stop();
  await away;
  expect(membership.ended(pid)).toBe(true);
  const again = await startNats(port);
  cleanUps.push(() => again.stop());
  expect((await peer.hears(1))[0]).toEqual(gone);
});

test("a NATS whose name nobody has is told of at once", async () => {
  const joining = joinOperator("nats://nobody.invalid:4222", namespace);
  await expect(joining).rejects.toThrow(/NATS_URL=nats:\/\/nobody\.invalid:4222 cannot be reached: getaddrinfo \w+ nobody\.invalid/);
});

test("whoever asks is told at once which release is active, and everybody again and again", async () => {
  const { membership, peer } = await joined();
  const activation = { release: "1", generation: 3 };
  membership.announce(activation);
  for (const told of await peer.asks()) expect(told).toEqual(activation);
  while (peer.activations.length < 2) await peer.hearsActivation();
});

test("of several operators, each repeats the highest that any has activated; what workers say of it, none", async () => {
  const { membership, peer } = await joined();
  const latest = async () => (await peer.asks()).at(-1);
  peer.say({ kind: "activate", activation: { release: "another's", generation: 7 } });
  expect(await latest()).toEqual({ release: "another's", generation: 7 });
  membership.announce({ release: "ours", generation: 3 });
  peer.say({ ...worker, activation: { release: "forged", generation: 9 } }, membersFromWorkers);
  expect(await latest()).toEqual({ release: "another's", generation: 7 });
  membership.announce({ release: "ours", generation: 8 });
  expect(await latest()).toEqual({ release: "ours", generation: 8 });
});

test("a nats-server that has lost what was on its disk has the bucket of tickets again, and workers may use it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-presence-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const [file, storeDir, port] = [join(folder, "nats-server.conf"), join(folder, "jetstream"), await keptPort()];
  const users = { namespace, keys: ensureKeys(folder), folder };
  writeFileSync(file, natsConfiguration({ port, written: "by a test", users, payloadBytes: usualPayloadBytes, storeDir }));
  let nats = await startNats(port, ["-c", file]);
  cleanUps.push(() => nats.stop());
  const { events } = await joins(nats.url, namespace, credentialsFile(folder, "operator"));
  const security = { NATS_CREDENTIALS_FILE: credentialsFile(folder, "worker"), NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
  const bus = await connectBus({ url: nats.url, security, name: "worker", replies, onEvent: () => undefined });
  cleanUps.push(() => bus.close());
  const store = bus.oneTimeStore(namespace);
  await store.put("before", "there");
  for (let time = 1; time <= 2; time++) {
    const back = once(events, "NATS is back");
    await nats.stop();
    rmSync(storeDir, { recursive: true });
    nats = await startNats(port, ["-c", file]);
    await back;
    await vi.waitFor(() => store.put(`after-${time}`, "there"), patienceMs);
  }
  expect(await store.take("before", "x")).toBeUndefined();
});

// Against a real nats-server, which may be away.

import { EventEmitter, once } from "node:events";
import { hostname } from "node:os";
import { afterEach, expect, test } from "vitest";
import { connectBus } from "../nats/connection.ts";
import type { Bus } from "../protocol/bus.ts";
import { type Announcement, decodeAnnouncement, encodeAnnouncement } from "../protocol/membership.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { keptPort, startNats, type TestNats } from "../test/nats.ts";
import { patienceMs } from "../testbed/patience.ts";
import { Membership } from "./presence.ts";

const { members: subject } = subjectsOf("test");
const noSecurity = { NATS_CREDENTIALS_FILE: "", NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
const options = { natsSecurity: noSecurity, namespace: "test", hungAfterMs: Number.POSITIVE_INFINITY, onHung: () => undefined };
const pid = 999_001;
const gone = { kind: "gone", id: "g1", reason: "exited" } as const;

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Somebody else on the same NATS. */
class Peer {
  readonly gone: Announcement[] = [];
  readonly bus: Bus;
  private readonly changes = new EventEmitter();

  private constructor(bus: Bus) {
    this.bus = bus;
    bus.subscribe(subject, ({ payload }) => {
      const announcement = decodeAnnouncement(payload);
      if (announcement.kind === "gone") this.gone.push(announcement);
      this.changes.emit(announcement.kind);
    });
  }

  static async join(url: string): Promise<Peer> {
    const peer = new Peer(await connectBus({ url, name: "peer", onEvent: () => undefined }));
    cleanUps.push(() => peer.bus.close());
    await peer.bus.flush();
    return peer;
  }

  /** A gateway that runs as the process. */
  hello(): void {
    const counts = { connections: 5, parked: 0, messagesIn: 0, messagesOut: 0 };
    const place = { pid, host: hostname(), protocol: 1, port: 1, adminPort: 1, startedAt: 0 };
    this.bus.publish(subject, encodeAnnouncement({ kind: "gateway", id: "g1", ...place, ...counts, serving: true, routes: {}, pins: {} }));
  }

  /** Resolves when somebody asks for hellos: whoever does can hear them. */
  async isAsked(): Promise<void> {
    await once(this.changes, "ask");
  }

  async hears(count: number): Promise<Announcement[]> {
    while (this.gone.length < count) await once(this.changes, "gone");
    return this.gone;
  }
}

interface Joined {
  readonly nats: TestNats;
  readonly membership: Membership;
  readonly peer: Peer;
  /** "NATS is gone", "NATS is back" */
  readonly events: EventEmitter;
}

/** A supervisor that has heard of a gateway of its own, and somebody who hears the supervisor. */
async function joined(port = 0): Promise<Joined> {
  const nats = await startNats(port);
  cleanUps.push(() => nats.stop());
  const peer = await Peer.join(nats.url);
  const events = new EventEmitter();
  const asked = peer.isAsked();
  const membership = await Membership.join({
    ...options,
    natsUrl: nats.url,
    log: { event: (_level, text) => events.emit(text) },
  });
  cleanUps.push(() => membership.leave());
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
  const joining = Membership.join({ ...options, natsUrl: "nats://nobody.invalid:4222", log: { event: () => undefined } });
  await expect(joining).rejects.toThrow(/NATS_URL=nats:\/\/nobody\.invalid:4222 cannot be reached: getaddrinfo \w+ nobody\.invalid/);
});

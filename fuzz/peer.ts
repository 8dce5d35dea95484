// A process that only seems to be one: it says hello and has links, so that what it sends is read to the end.

import { LinkHub } from "../protocol/link-hub.ts";
import { encodeAnnouncement, type GatewayHello, type WorkerHello } from "../protocol/membership.ts";
import { madeUp, type Scene } from "./scene.ts";

export interface MadeUpRecord {
  readonly type: number;
  readonly flags: number;
  readonly extra: number;
  readonly slot: number;
  readonly epoch: number;
  /** A pin of somebody else's to name instead of slot and epoch: by its place among those that were overheard. */
  readonly stolen: number | undefined;
  readonly payload: Uint8Array;
}

const member = { pid: 0, host: madeUp, protocol: 1 };

export function gatewayHello(id: string): GatewayHello {
  const counts = { connections: 0, parked: 0, messagesIn: 0, messagesOut: 0 };
  return { kind: "gateway", ...member, id, port: 1, adminPort: 1, startedAt: 1, ...counts, serving: true, routes: {}, pins: {} };
}

/** Of a release that never becomes the active one: it gets no work. */
export function workerHello(id: string): WorkerHello {
  return { kind: "worker", ...member, id, release: madeUp, state: "ready", routes: [], connections: 0 };
}

export class Peer {
  private readonly scene: Scene;
  private readonly hello: GatewayHello | WorkerHello;
  private readonly hub: LinkHub;

  private constructor(scene: Scene, hello: GatewayHello | WorkerHello) {
    this.scene = scene;
    this.hello = hello;
    const { bus, subjects } = scene;
    const ignore = () => undefined;
    this.hub = new LinkHub({
      ...{ self: hello.id, bus, subjects, now: () => performance.now() },
      ...{ onBatch: ignore, onStranger: ignore, onCredit: ignore, onLost: ignore },
    });
  }

  static gateway(scene: Scene): Peer {
    return new Peer(scene, gatewayHello(`${madeUp}gateway`));
  }

  static worker(scene: Scene): Peer {
    return new Peer(scene, workerHello(`${madeUp}-worker`));
  }

  /**
   * Resolves when NATS has it.
   * @param isReborn Whether in a new life of its link: then whoever hears it gives up what belonged to the one before.
   */
  async send(to: string, isReborn: boolean, records: readonly MadeUpRecord[]): Promise<void> {
    const { bus, subjects, pins } = this.scene;
    bus.publish(subjects.members, encodeAnnouncement(this.hello));
    if (isReborn) this.hub.close(to);
    const link = this.hub.get(to) ?? this.hub.open(to);
    for (const { payload, stolen, ...head } of records) {
      const pin = stolen === undefined ? undefined : pins[stolen % Math.max(1, pins.length)];
      link.append({ ...head, ...pin }, payload);
    }
    this.hub.flush();
    await bus.flush();
  }

  /** Says goodbye. */
  end(): void {
    const { bus, subjects } = this.scene;
    this.hub.stop();
    bus.publish(subjects.members, encodeAnnouncement({ kind: "gone", id: this.hello.id, reason: "bye" }));
  }
}

// What random input is sent to: a live installation, and its NATS, where we have a gateway's rights.

import { connectBus } from "../nats/connection.ts";
import type { Bus, BusSubscription } from "../protocol/bus.ts";
import { decodeBatch } from "../protocol/envelope.ts";
import { toWorker } from "../protocol/records.ts";
import { type Subjects, subjectsOf } from "../protocol/subjects.ts";
import type { Installation } from "../testbed/installation.ts";

/** A connection as its gateway and its worker name it. */
export interface RealPin {
  readonly slot: number;
  readonly epoch: number;
}

/** How the ids of processes begin that only seem to be: see peer.ts. */
export const madeUp = "fuzz";

export function isReal({ id }: { readonly id: string }): boolean {
  return !id.startsWith(madeUp);
}

const keptPins = 32;
const noSecurity = { NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };

export class Scene {
  readonly installation: Installation;
  readonly bus: Bus;
  readonly subjects: Subjects;
  gatewayId = "";
  workerIds: readonly string[] = [];
  /** Of the victim and others, as they were heard on the wire: forged records name them. */
  readonly pins: RealPin[] = [];

  private readonly ends: Array<() => void> = [];
  private overheard: readonly BusSubscription[] = [];

  private constructor(installation: Installation, bus: Bus) {
    this.installation = installation;
    this.bus = bus;
    this.subjects = subjectsOf("thinstate");
  }

  static async of(installation: Installation): Promise<Scene> {
    const { nats } = await installation.status();
    const { natsCredentialsFile: credentials } = installation;
    const bus = await connectBus({
      url: nats.url,
      name: "fuzz",
      ...(credentials !== undefined && { security: { ...noSecurity, NATS_CREDENTIALS_FILE: credentials } }),
      onEvent: () => undefined,
    });
    const scene = new Scene(installation, bus);
    await scene.meet();
    return scene;
  }

  /** Finds out who is there: after a failure it may be somebody else. */
  async meet(): Promise<void> {
    const { gateways, workers } = await this.installation.status();
    this.gatewayId = gateways.find(isReal)?.id ?? "";
    this.workerIds = workers.filter((worker) => isReal(worker) && worker.state === "active").map(({ id }) => id);
    for (const subscription of this.overheard) subscription.unsubscribe();
    this.overheard = this.workerIds.map((id) => this.bus.subscribe(this.subjects.link(id), ({ payload }) => this.overhear(payload)));
  }

  /** Runs before the connection to NATS is closed. */
  onClose(end: () => void): void {
    this.ends.push(end);
  }

  async close(): Promise<void> {
    for (const end of this.ends) end();
    await this.bus.close();
  }

  private overhear(payload: Uint8Array): void {
    let batch: ReturnType<typeof decodeBatch>;
    try {
      batch = decodeBatch(payload);
    } catch {
      // Our own.
      return;
    }
    if (batch.header.from !== this.gatewayId) return;
    for (let index = 0; index < batch.records; index++) {
      if (batch.type(index) === toWorker.message) this.pins.push({ slot: batch.slot(index), epoch: batch.epoch(index) });
    }
    this.pins.splice(0, this.pins.length - keptPins);
  }
}

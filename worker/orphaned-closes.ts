// Connections whose gateway was lost. If it has died, their onClose runs here, with 1006 where they were open, and what it publishes goes out
// through another gateway. So does what those had published that have run, but whose commit the gateway may not have got. Nothing else of them is left to do: there is no socket to send to, and nobody who keeps a state.

import type { Logger } from "pino";
import { runSlices, type Slices } from "../process/time-slice.ts";
import { decodePublish, decodePublishExcept, decodePublishKept } from "../protocol/payloads.ts";
import { flag, toGateway } from "../protocol/records.ts";
import type { AppClient } from "./app.ts";
import type { Effects } from "./effects.ts";
import type { GatewayPeer } from "./gateway-peer.ts";
import type { EncodedPublish } from "./history.ts";
import { type CloseHandoff, Mailbox, type TurnGateway } from "./mailbox.ts";
import type { Turns } from "./turns.ts";

export interface OrphanedClosesOptions extends Slices {
  readonly turns: Pick<Turns, "run" | "forget">;
  readonly appClient: Pick<AppClient, "passOn">;
  readonly log: Logger;
}

type LostGateway = Pick<GatewayPeer, "all" | "forget" | "connections" | "closes">;

/** Stands for their gateway. */
export class OrphanedCloses implements TurnGateway {
  readonly id = "";
  readonly isLost = false;
  readonly counters = { adopted: 0, lost: 0 };
  private readonly options: OrphanedClosesOptions;
  /** onClose turns that have not committed, and publishes that no gateway has taken yet. */
  private open = 0;
  /** Gateways that were lost, as long as they have connections. */
  private readonly lost = new Set<LostGateway>();
  /** What turns that have flushed have asked for, until gateways have it. Gone with the turn's commit. */
  private readonly given = new Map<Mailbox, Promise<unknown>>();

  constructor(options: OrphanedClosesOptions) {
    this.options = options;
  }

  /** What is not done yet. */
  get size(): number {
    return [...this.lost].reduce((sum, { connections, closes }) => sum + connections + closes.length, this.open);
  }

  /** Takes all of its connections from a gateway that was lost, slice by slice. @param isDead Nobody else will run their onClose. */
  take(gateway: LostGateway, isDead: boolean): void {
    this.lost.add(gateway);
    // One that lives asks another worker for what it has not got.
    if (!isDead) gateway.closes.length = 0;
    runSlices(this.leave(gateway, isDead), this.options);
  }

  private *leave(gateway: LostGateway, isDead: boolean): Generator<void> {
    for (let close = gateway.closes.shift(); close !== undefined; close = gateway.closes.shift()) {
      this.publishAll(close.mailbox, close.effects);
      yield;
    }
    for (const mailbox of gateway.all()) {
      const closeHandoff = mailbox.isOpen ? mailbox.closeHandoff() : undefined;
      this.options.turns.forget(mailbox);
      gateway.forget(mailbox);
      if (isDead && closeHandoff !== undefined) this.adopt(mailbox, closeHandoff);
      yield;
    }
    this.lost.delete(gateway);
  }

  /** @param mailbox of a gateway that has died; nothing of it runs any more. */
  private adopt({ pin, state, topics, user }: Mailbox, { next, close }: CloseHandoff): void {
    this.open++;
    this.counters.adopted++;
    const orphan = new Mailbox({ ...pin, gateway: this, state, topics, user, next });
    orphan.push(close);
    this.options.turns.run(orphan);
  }

  takesMore(): boolean {
    return true;
  }

  /** Its turn has asked for this. Only what others hear of it counts. */
  commit(mailbox: Mailbox, effects: Effects, end: number): void {
    const given = [this.given.get(mailbox), ...this.publishAll(mailbox, effects)];
    if (end === flag.flush) this.given.set(mailbox, Promise.all(given));
    else {
      this.given.delete(mailbox);
      this.open--;
    }
  }

  /** Resolves when gateways have all that its turn has flushed, or it is lost: what else onClose does has to happen all the same. */
  async flushed(mailbox: Mailbox): Promise<void> {
    await this.given.get(mailbox);
  }

  /** There is nobody to give it back to. */
  idle(): void {}

  private publishAll(mailbox: Mailbox, effects: Effects): Array<Promise<void>> {
    return effects.all.flatMap(({ type, flags, payload }) => {
      const published = publishedBy(type, payload, (flags & flag.binary) !== 0);
      return published === undefined ? [] : [this.publish(mailbox, published)];
    });
  }

  private async publish(mailbox: Mailbox, published: EncodedPublish): Promise<void> {
    this.open++;
    try {
      await this.options.appClient.passOn(published);
    } catch (error) {
      const { topic } = published;
      this.counters.lost++;
      this.options.log.error(
        { connection: mailbox.pin.id, gateway: this.id, topic, err: error },
        "what onClose published is lost with its gateway",
      );
    } finally {
      this.open--;
    }
  }
}

/** undefined: the effect publishes nothing. */
function publishedBy(type: number, payload: Uint8Array | string, binary: boolean): EncodedPublish | undefined {
  if (typeof payload === "string") return undefined;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const plain = { binary, except: [], retention: undefined };
  if (type === toGateway.publish) return { ...plain, ...decodePublish(bytes) };
  if (type === toGateway.publishExcept) return { ...plain, ...decodePublishExcept(bytes) };
  if (type === toGateway.publishTogether) return { ...plain, ...decodePublishExcept(bytes), together: true };
  return type === toGateway.publishKept ? { ...plain, ...decodePublishKept(bytes) } : undefined;
}

// Connections whose gateway has died: their onClose runs here, with 1006 where they were open, and what it publishes goes out
// through another gateway. Nothing else of them is left to do: there is no socket to send to, and nobody who keeps a state.

import type { Logger } from "pino";
import { decodePublish, flag, toGateway } from "../protocol/records.ts";
import type { AppClient } from "./app.ts";
import type { Effects } from "./effects.ts";
import { type CloseHandoff, Mailbox, type TurnGateway } from "./mailbox.ts";
import type { Turns } from "./turns.ts";

export interface OrphanedClosesOptions {
  readonly turns: Pick<Turns, "run">;
  readonly appClient: Pick<AppClient, "passOn">;
  readonly log: Logger;
}

/** Stands for their gateway. */
export class OrphanedCloses implements TurnGateway {
  readonly id = "";
  readonly counters = { adopted: 0, lost: 0 };
  private readonly options: OrphanedClosesOptions;
  /** onClose turns that have not committed, and publishes that no gateway has taken yet. */
  private open = 0;
  /** What turns that have flushed have asked for, until gateways have it. Gone with the turn's commit. */
  private readonly given = new Map<Mailbox, Promise<unknown>>();

  constructor(options: OrphanedClosesOptions) {
    this.options = options;
  }

  /** What is not done yet. */
  get size(): number {
    return this.open;
  }

  /** @param mailbox of a gateway that has died; nothing of it runs any more. */
  adopt({ pin, state, topics }: Mailbox, { next, close }: CloseHandoff): void {
    this.open++;
    this.counters.adopted++;
    const orphan = new Mailbox({ ...pin, gateway: this, state, topics, next });
    orphan.push(close);
    this.options.turns.run(orphan);
  }

  takesMore(): boolean {
    return true;
  }

  /** Its turn has asked for this. Only what others hear of it counts. */
  commit(mailbox: Mailbox, effects: Effects, end: number): void {
    const given: Array<Promise<unknown> | undefined> = [this.given.get(mailbox)];
    for (const { type, flags, payload } of effects.all) {
      if (type !== toGateway.publish || typeof payload === "string") continue;
      const { topic, data } = decodePublish(Buffer.from(payload));
      given.push(this.publish(mailbox, topic, data, (flags & flag.binary) !== 0));
    }
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

  private async publish(mailbox: Mailbox, topic: string, data: Uint8Array, isBinary: boolean): Promise<void> {
    this.open++;
    try {
      await this.options.appClient.passOn(topic, data, isBinary);
    } catch (error) {
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

// Clients whose upgrades and requests wait since there is no worker: until there is one, nobody knows which paths exist. Pure.

import { runSlices, type Slices } from "../process/time-slice.ts";
import type { Kind } from "./refusals.ts";
import type { WaitingClient } from "./uws/waiting-client.ts";

export interface ParkedClientsOptions extends Slices {
  readonly limits: { readonly parkMs: number };
  /** Whether there is a worker. */
  readonly isServing: () => boolean;
  /** It has waited for longer than `parkMs`. */
  readonly onTimeout: (kind: Kind, client: WaitingClient) => void;
  /** Going on with it has failed, which concerns no other. */
  readonly onBug: (kind: Kind, client: WaitingClient, error: unknown) => void;
}

interface Parked {
  readonly kind: Kind;
  readonly client: WaitingClient;
  readonly since: number;
  readonly proceed: () => void;
}

export class ParkedClients {
  private readonly options: ParkedClientsOptions;
  /** The oldest first. */
  private readonly parked = new Set<Parked>();
  private isProceeding = false;

  constructor(options: ParkedClientsOptions) {
    this.options = options;
  }

  get size(): number {
    return this.parked.size;
  }

  /** @param proceed Called once there is a worker, if the client has not gone by then. It may park again. */
  add(kind: Kind, client: WaitingClient, proceed: () => void): void {
    this.parked.add({ kind, client, since: this.options.now(), proceed });
  }

  /** There may be a worker now: all go on in slices, the first of them at once. */
  retry(): void {
    if (!this.isProceeding) runSlices(this.proceedAll(), this.options);
  }

  /** To be called a few times a second. */
  sweep(): void {
    const latest = this.options.now() - this.options.limits.parkMs;
    for (const parked of this.parked) {
      const { kind, client, since } = parked;
      if (!client.isGone && since > latest) continue;
      this.parked.delete(parked);
      if (!client.isGone) this.options.onTimeout(kind, client);
    }
  }

  /** None of them waits any more. @param refuse Called for each that has not gone. */
  clear(refuse: (kind: Kind, client: WaitingClient) => void): void {
    for (const { kind, client } of this.parked) if (!client.isGone) refuse(kind, client);
    this.parked.clear();
  }

  private *proceedAll(): Generator<void> {
    this.isProceeding = true;
    try {
      for (const parked of this.parked) {
        if (!this.options.isServing()) return;
        this.parked.delete(parked);
        if (!parked.client.isGone) this.proceed(parked);
        yield;
      }
    } finally {
      this.isProceeding = false;
    }
  }

  // In a slice nobody else would meet the error.
  private proceed({ kind, client, proceed }: Parked): void {
    try {
      proceed();
    } catch (error) {
      this.options.onBug(kind, client, error);
    }
  }
}

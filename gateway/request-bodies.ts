// The bodies of plain requests: how much memory they have, from their first byte until they are answered, and for how long they
// may take to arrive. Pure.

import type { ErrorCode } from "../protocol/errors.ts";
import type { Parking, ParkingOwner } from "./parking.ts";
import type { WaitingClient, WaitingRequest } from "./uws/waiting-client.ts";

/**
 * So many bytes have to arrive within so long. Below what uWebSockets.js wants (160 KiB within 8 to 12 s), which closes without an
 * answer. Source: HTTP_RECEIVE_THROUGHPUT_BYTES and HTTP_IDLE_TIMEOUT_S in its HttpContext.h.
 */
const paceBytes = 112 * 1024;
const paceMs = 7_000;

export interface RequestBodiesOptions {
  readonly parking: Pick<Parking, "keepBody" | "dropBody">;
  readonly now: () => number;
  readonly limits: { readonly bodyBytes: number };
}

/** Of which of them there are too many. */
export interface NoRoom {
  readonly status: number;
  readonly code: "address.connections" | "gateway.full";
}

/** A client whose request may have a body. Without an owner, that may be as much as there is. */
export interface BodyClient extends WaitingRequest {
  readonly owner?: ParkingOwner;
  /** Its session was found, here or at another gateway. May be told more than once. */
  readonly onSession?: (() => void) | undefined;
  /** Its answer is a stream, and no session's. @returns with what it is refused, if there is no room for that. */
  readonly onPlain?: (() => NoRoom | undefined) | undefined;
}

export interface BodyOutcome {
  onWhole(body: Uint8Array): void;
  /** It is not read any further. */
  onRefused(status: number, code: ErrorCode): void;
}

interface Kept {
  readonly owner: ParkingOwner | undefined;
  bytes: number;
}

interface Arrival {
  readonly outcome: BodyOutcome;
  /** Since when, and what had arrived by then. */
  since: number;
  sinceBytes: number;
  /** What has arrived. Its memory grows ahead of that, and then not for long. */
  bytes: number;
}

export class RequestBodies {
  private readonly options: RequestBodiesOptions;
  private readonly kept = new Map<WaitingClient, Kept>();
  private readonly arriving = new Map<WaitingClient, Arrival>();

  constructor(options: RequestBodiesOptions) {
    this.options = options;
  }

  /**
   * Reads the body of a request that nobody has answered yet; one of the outcomes follows, or the client goes.
   * @param expectedBytes where it was told.
   */
  read(client: BodyClient, expectedBytes: number | undefined, outcome: BodyOutcome): void {
    const { now, limits } = this.options;
    const arrival: Arrival = { outcome, since: now(), sinceBytes: 0, bytes: 0 };
    this.arriving.set(client, arrival);
    client.readBody({
      limitBytes: limits.bodyBytes,
      expectedBytes,
      onArrived: (bytes) => {
        arrival.bytes += bytes;
      },
      onGrow: (bytes) => {
        if (this.keep(client, bytes)) return true;
        this.refuse(client, arrival, 503, "parked.total");
        return false;
      },
      onWhole: (body) => {
        this.arriving.delete(client);
        outcome.onWhole(body);
      },
      onRefused: (code) => this.refuse(client, arrival, code === "request.tooLarge" ? 413 : 400, code),
    });
  }

  /** It is answered. */
  drop(client: WaitingClient): void {
    this.arriving.delete(client);
    const kept = this.kept.get(client);
    if (kept === undefined) return;
    this.kept.delete(client);
    this.options.parking.dropBody(kept.bytes, kept.owner);
  }

  /** Forgets clients that have gone, and refuses bodies that come too slowly. */
  sweep(): void {
    const now = this.options.now();
    for (const [client, arrival] of this.arriving) {
      if (client.isGone) this.drop(client);
      else if (now - arrival.since >= paceMs) {
        if (arrival.bytes - arrival.sinceBytes < paceBytes) this.refuse(client, arrival, 408, "request.tooSlow");
        arrival.since = now;
        arrival.sinceBytes = arrival.bytes;
      }
    }
    for (const client of this.kept.keys()) if (client.isGone) this.drop(client);
  }

  /** Counts memory that waits with this client. @returns false where there is no room for it. */
  private keep(client: BodyClient, bytes: number): boolean {
    const { owner } = client;
    if (!this.options.parking.keepBody(bytes, owner)) return false;
    const kept = this.kept.get(client);
    if (kept === undefined) this.kept.set(client, { owner, bytes });
    else kept.bytes += bytes;
    return true;
  }

  private refuse(client: WaitingClient, { outcome }: Arrival, status: number, code: ErrorCode): void {
    this.arriving.delete(client);
    outcome.onRefused(status, code);
  }
}

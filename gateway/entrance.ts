// Who may come in, before anything else is looked at: by address, and by how many there are.

import type { Logger } from "pino";
import type { SparseLog } from "../process/sparse-log.ts";
import type { Slices } from "../process/time-slice.ts";
import { settingsOf } from "./client-limit-settings.ts";
import type { ClientLimits, Refusal } from "./client-limits.ts";
import type { Guest } from "./connection.ts";
import type { Passed } from "./connection-meter.ts";
import { CountedRequest, CountedUpgrade, type UpgradePlaces } from "./counted-clients.ts";
import { PacedUpgrades } from "./paced-upgrades.ts";
import type { Party } from "./parties.ts";
import type { Kind } from "./refusals.ts";
import type { Upgrades } from "./upgrade.ts";
import * as because from "./upgrade-refusals.ts";
import type { Incoming } from "./uws/request.ts";
import type { WaitingClient, WaitingRequest, WaitingUpgrade } from "./uws/waiting-client.ts";

/** For the client: which of them there were too many of. */
const tooMany: Readonly<Partial<Record<Passed, string>>> = {
  "address failures": "too many upgrades from your address have failed lately",
  "address upgrades": "too many upgrades come from your address",
  "address requests": "too many requests come from your address",
};

/** Where a gateway is full, so many requests that may be the first for another one's session go on to a worker all the same. */
const mostStrangers = 1_000;

export interface EntranceOptions extends Slices {
  readonly limits: ClientLimits;
  readonly upgrades: Pick<Upgrades<Guest>, "upgrade" | "request" | "refusals">;
  /** Whether other gateways may have sessions. */
  readonly hasPeers: () => boolean;
  /** Whether there are more connections, with those that wait, than the gateway may have. */
  readonly isFull: () => boolean;
  readonly log: Pick<Logger, "error">;
  /** For what clients cause. */
  readonly sparseLog: SparseLog;
}

export class Entrance {
  /** Upgrades that have not been answered, and requests whose answer has not ended. */
  waiting = 0;
  /** Requests that a session's room let in, and of none that is known: their session has not been found, and their answers have not begun. */
  private strangers = 0;
  private readonly options: EntranceOptions;
  private readonly paced: PacedUpgrades;
  private readonly places: UpgradePlaces<Guest>;

  constructor(options: EntranceOptions) {
    this.options = options;
    this.paced = new PacedUpgrades(options);
    const { limits } = options;
    this.places = {
      admitted: (address, guest) => {
        this.waiting--;
        guest.meter = limits.open(address, guest.user);
      },
      refused: (address, status) => {
        if (status >= 400 && status < 500 && status !== 429) limits.failed(address);
      },
      over: (address) => {
        this.waiting--;
        limits.addresses.leave(address);
      },
    };
  }

  /** @returns whether a TCP connection is taken. @param ip of its other end. */
  mayConnect(ip: string): boolean {
    const { limits, sparseLog } = this.options;
    if (limits.mayConnect(ip)) return true;
    sparseLog.warn({ code: "rate.requests" }, { ip }, "cut off: its address connects too often, or goes on although it is refused");
    return false;
  }

  /** @param incoming with the address of the client itself. */
  upgrade(incoming: Incoming, client: WaitingUpgrade<Guest>): void {
    const { limits, upgrades } = this.options;
    const address = limits.addressOf(incoming.ip);
    const refusal = limits.upgrade(address);
    if (refusal !== undefined) return this.refuse("upgrade", incoming, client, refusal);
    this.waiting++;
    limits.addresses.enter(address);
    const counted = new CountedUpgrade(client, address, this.places);
    // It has its place meanwhile, so no more of an address wait than it may have.
    this.paced.take(() => {
      if (counted.isGone) return;
      const late = limits.upgradeTurn(address);
      if (late !== undefined) this.refuse("upgrade", incoming, counted, late);
      else this.safely("upgrade", counted, () => upgrades.upgrade(incoming, counted));
    });
  }

  request(incoming: Incoming, client: WaitingRequest): void {
    const { limits, upgrades } = this.options;
    const address = limits.addressOf(incoming.ip);
    const isKnown = limits.mayBeOfSession(address);
    const mayBeOfSession = isKnown || this.mayBeElsewhere(address);
    const refusal = limits.request(address, mayBeOfSession);
    if (refusal !== undefined) return this.refuse("request", incoming, client, refusal);
    limits.addresses.enter(address);
    // Any other would have been let in, too: its handler has run when it turns out to be a stream, so that is not refused.
    const usesRoom = mayBeOfSession && (limits.isBeyond(address) || this.options.isFull());
    let isStranger = usesRoom && !isKnown;
    if (isStranger) this.strangers++;
    const onSession = () => {
      if (isStranger) this.strangers--;
      isStranger = false;
    };
    address.openRequests++;
    let isCounted = true;
    const leaveRoom = () => {
      onSession();
      if (isCounted) address.openRequests--;
      isCounted = false;
    };
    const onPlain = () => {
      leaveRoom();
      if (!usesRoom) return undefined;
      if (limits.isBeyond(address)) return { status: 429, code: "address.connections" } as const;
      return this.options.isFull() ? because.full : undefined;
    };
    const onOver = () => {
      this.waiting--;
      leaveRoom();
      limits.addresses.leave(address);
    };
    const counted = new CountedRequest(client, address, { onSession, onPlain, onOver });
    this.safely("request", counted, () => upgrades.request(incoming, counted, mayBeOfSession));
    // Only now: a gateway with as many connections as it may have goes on to answer a request at a time. What is answered at once has
    // been taken off already.
    this.waiting++;
  }

  // A worker's answer tells what it is: a session that it would open here is refused then.
  private mayBeElsewhere(address: Party): boolean {
    const { limits, hasPeers } = this.options;
    return this.strangers < mostStrangers && limits.mayBeOfSession(address, 1) && hasPeers();
  }

  // What throws in a callback of uWebSockets.js ends the process.
  private safely(kind: Kind, client: WaitingClient, take: () => void): void {
    try {
      take();
    } catch (error) {
      this.options.log.error({ err: error, kind }, "bug: this client gets an error, no other notices");
      this.options.upgrades.refusals.refuse(kind, client, { status: 500, code: "connection.bug", close: "now" });
    }
  }

  private refuse(kind: Kind, { ip, isForwarded }: Incoming, client: WaitingClient, { code, passed, retryMs }: Refusal): void {
    const question = isForwarded === true ? ": is this a proxy? TRUSTED_PROXIES does not have it" : "";
    this.options.sparseLog.warn({ code, passed }, { limit: settingsOf(passed), ip }, `refused with 429${question}`);
    const text = tooMany[passed];
    this.options.upgrades.refusals.refuse(kind, client, { status: 429, code, retryMs, ...(text !== undefined && { text }), close: "now" });
  }
}

// How much clients may do, by connection, address and user: connections, upgrades, failed upgrades, requests, and what they send. Pure.
// Behind a trusted proxy, the address is the client's.

import { networkOf } from "../protocol/address-network.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import { normalizedAddress } from "./address-list.ts";
import { ConnectionMeter, type MeterRoom, type Passed } from "./connection-meter.ts";
import { Parties, type Party } from "./parties.ts";
import { charge, isExceeded, use, waitMs } from "./rate.ts";

/** As many refusals are answered for each failed upgrade that is allowed: many may share an address, and not all of them have failed. */
const refusalsPerFailure = 10;
/** Of a session over HTTP: one that receives, the one before it, whose answer may not have been read whole, and one that sends. */
const requestsPerSession = 3;
/** So many open connections of an address allow it one more failure a second: where many are well, a few may fail. */
const connectionsPerFailure = 10;

export interface ClientLimitRates {
  /** Of an address. */
  readonly connections: number;
  readonly upgrades: number;
  readonly failures: number;
  readonly requests: number;
}

export interface ClientLimitsOptions {
  readonly now: () => number;
  /** Read each time. */
  readonly rates: MeterRoom["rates"] & ClientLimitRates;
  /** Addresses without limits. */
  readonly isExempt: (address: string) => boolean;
}

/** Why a client is refused with 429. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly passed: Passed;
  /** When it is of use to come again, if nothing else comes meanwhile. */
  readonly retryMs: number;
}

export class ClientLimits implements MeterRoom {
  /** How often each limit was passed: "address messages". */
  readonly passed: Record<string, number> = {};
  readonly now: () => number;
  readonly rates: ClientLimitsOptions["rates"];
  readonly addresses: Parties;
  private readonly users = new Parties();
  private readonly isExempt: ClientLimitsOptions["isExempt"];

  constructor({ now, rates, isExempt }: ClientLimitsOptions) {
    this.now = now;
    this.rates = rates;
    this.isExempt = isExempt;
    this.addresses = new Parties();
  }

  count(passed: Passed): void {
    this.passed[passed] = (this.passed[passed] ?? 0) + 1;
  }

  /** For the metrics. */
  passedBy(): Array<readonly [{ by: string; what: string }, number]> {
    return Object.entries(this.passed).map(([passed, count]) => {
      const [by = "", what = ""] = passed.split(" ");
      return [{ by, what }, count];
    });
  }

  /** One that is exempt stands for itself, any other for its network. */
  addressOf(ip: string): Party {
    const address = normalizedAddress(ip);
    const isExempt = this.isExempt(address);
    const party = this.addresses.get(isExempt ? address : networkOf(address));
    party.isExempt = isExempt;
    return party;
  }

  /** What is exempt has changed: it holds for those who are there, too. */
  exemptAgain(): void {
    for (const party of this.addresses.values()) party.isExempt = this.isExempt(party.key.replace(/\/64$/, ""));
  }

  /**
   * Whether a TCP connection is taken. Who asks for nothing is not counted among connections, so an address may connect as often as it may
   * ask: uWebSockets.js closes those that have not asked after 12 s at most.
   * @param ip of the TCP connection.
   */
  mayConnect(ip: string): boolean {
    const address = this.addressOf(ip);
    if (address.isExempt) return true;
    if (this.isBarred(ip)) return false;
    const { upgrades, requests } = this.rates;
    if (use(address, "sockets", 1, upgrades + requests, this.now())) return true;
    this.count("address sockets");
    return false;
  }

  /** Whether this address goes on although it has been refused often: it is not answered any more. @param ip of the TCP connection. */
  isBarred(ip: string): boolean {
    const address = this.addresses.find(networkOf(ip));
    if (address === undefined || !isExceeded(address, "refusals", this.now()) || this.isExempt(normalizedAddress(ip))) return false;
    this.count("address refusals");
    return true;
  }

  /** An upgrade has come. */
  upgrade(address: Party): Refusal | undefined {
    if (address.isExempt) return undefined;
    const now = this.now();
    if (isExceeded(address, "failures", now)) return this.refuse(address, "rate.requests", "failures");
    if (!use(address, "upgrades", 1, this.rates.upgrades, now)) return this.refuse(address, "rate.requests", "upgrades");
    if (address.connections >= this.rates.connections) return this.refuse(address, "address.connections", undefined);
    return undefined;
  }

  /** Whether there is room for a WebSocket of this address whose upgrade another gateway has counted. */
  mayJoin({ connections, isExempt }: Party): boolean {
    if (isExempt || connections < this.rates.connections) return true;
    this.count("address connections");
    return false;
  }

  /** The turn of an upgrade that had to wait: others of its address may have failed meanwhile. */
  upgradeTurn(address: Party): Refusal | undefined {
    if (address.isExempt || !isExceeded(address, "failures", this.now())) return undefined;
    return this.refuse(address, "rate.requests", "failures");
  }

  /**
   * Whether a plain request of this address may be for a session that is open: there is room for it, however many others there are.
   * @param unknown So many of its sessions may be at other gateways and not known here.
   */
  mayBeOfSession({ openRequests, sessions }: Party, unknown = 0): boolean {
    return openRequests < requestsPerSession * (sessions + unknown);
  }

  /** Whether an upgrade or request of this address that has its place there is beyond ADDRESS_CONNECTIONS. */
  isBeyond({ connections, isExempt }: Party): boolean {
    return !isExempt && connections > this.rates.connections;
  }

  /** A plain request has come. @param mayBeOfSession It is let in beyond ADDRESS_CONNECTIONS, too. */
  request(address: Party, mayBeOfSession: boolean): Refusal | undefined {
    if (address.isExempt) return undefined;
    if (!use(address, "requests", 1, this.rates.requests, this.now())) return this.refuse(address, "rate.requests", "requests");
    if (mayBeOfSession) return undefined;
    if (address.connections >= this.rates.connections) return this.refuse(address, "address.connections", undefined);
    return undefined;
  }

  /** @returns whether another connection of this user may be let in. */
  mayEnter(user: string | undefined): boolean {
    if (user === undefined || use(this.users.get(user), "upgrades", 1, this.rates.upgrades, this.now())) return true;
    this.count("user upgrades");
    return false;
  }

  /** A client of this address has done what it may not. Each one counts: many may be let in before the first of them fails. */
  failed(address: Party): void {
    const perSecond = this.rates.failures + address.connections / connectionsPerFailure;
    if (!address.isExempt) charge(address, "failures", 1, perSecond, this.now());
  }

  /** A connection is let in, which has its place at its address already. */
  open(address: Party, user: string | undefined): ConnectionMeter {
    const party = user === undefined ? undefined : this.users.get(user);
    if (party !== undefined) this.users.enter(party);
    return new ConnectionMeter(this, address, party);
  }

  /** The client of a connection turns out to be another user. What it sent before is the former one's. */
  learn(meter: ConnectionMeter, user: string): void {
    meter.settle();
    if (meter.user !== undefined) this.users.leave(meter.user);
    meter.user = this.users.get(user);
    this.users.enter(meter.user);
  }

  close(meter: ConnectionMeter): void {
    // What it sent last counts, though it is not closed for it any more.
    if (meter.passed === undefined) meter.settle();
    this.addresses.leave(meter.address);
    if (meter.user !== undefined) this.users.leave(meter.user);
  }

  sweep(): void {
    const now = this.now();
    this.addresses.sweep(now);
    this.users.sweep(now);
  }

  /** @param spent What there was too much of; undefined: connections. */
  private refuse(address: Party, code: ErrorCode, spent: "failures" | "upgrades" | "requests" | undefined): Refusal {
    const now = this.now();
    const passed: Passed = `address ${spent ?? "connections"}`;
    this.count(passed);
    use(address, "refusals", 1, refusalsPerFailure * this.rates.failures, now);
    return { code, passed, retryMs: spent === undefined ? 0 : waitMs(address, spent, now) };
  }
}

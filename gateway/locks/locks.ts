// Locks that connections of this gateway have, or wait for. What is wanted here is compared with the store's entry, and the entry replaced
// until it is so: whatever was lost on the way, a put, its answer or a notice, the next comparison mends. Pure; store and clock are handed in.

import { Paced } from "../../process/paced.ts";
import { gatewayOf } from "../../protocol/connection-id.ts";
import { CodedError } from "../../protocol/errors.ts";
import type { Entry } from "../../protocol/key-value.ts";
import { isSameLine, type LockClaim, type LockValue, nextLine } from "../../protocol/lock-value.ts";
import { decodeTopic, encodeTopic } from "../../protocol/subjects.ts";
import { Claim, type LockAnswer } from "./claim.ts";
import { type Lock, newLock } from "./lock.ts";
import type { LockEntries } from "./lock-entries.ts";

/** How often an entry is read again that somebody waits for here: a notice may be lost. */
const lookMs = 1_000;
/** After a store that does not answer. */
const retryMs = 250;
/** For so long, a put that was not answered may be stored yet. */
const lateMs = 10_000;
/** What the store is asked at a time. */
const mostAsked = 256;

export interface LockLimits {
  /** Of all connections of the gateway. */
  readonly total: number;
  readonly perConnection: number;
}

export interface LocksOptions {
  /** This gateway's id: its connections' ids begin with it. */
  readonly self: string;
  readonly entries: LockEntries;
  readonly now: () => number;
  /** Read each time. */
  readonly limits: LockLimits;
  /** Whether another gateway has no connections any more. Also one that ended when nobody was there to give back what it had. */
  readonly isGone: (gateway: string) => boolean;
  /** Somebody else has it: this gateway was taken for dead, or the store has lost it. */
  readonly onLost: (connection: string, name: string) => void;
}

export class Locks {
  readonly counters = { taken: 0, missed: 0, lost: 0 };
  private readonly options: LocksOptions;
  /** By key. */
  private readonly locks = new Map<string, Lock>();
  /** Those that are looked at again: somebody waits here, or the store did not answer. */
  private readonly restless = new Set<Lock>();
  /** By connection, and by name. */
  private readonly claims = new Map<string, Map<string, Claim>>();
  /** Of all connections. */
  private count = 0;
  private readonly asked = new Paced<Lock>(mostAsked, (lock) => this.ask(lock));
  private isHearing = false;

  constructor(options: LocksOptions) {
    this.options = options;
  }

  /** How many locks connections of this gateway have, or wait for. */
  get size(): number {
    return this.count;
  }

  /**
   * Takes a lock for a connection, until `commit` finds that its turn has not kept it. Where the connection has it, it gets the same again.
   * @param waitMs How long others may have it meanwhile.
   * @param answer is told its fence, undefined where others have it, or why it cannot be had; once.
   */
  take(connection: string, name: string, waitMs: number, answer: LockAnswer): void {
    const claim = this.claimOf(connection, name);
    if (claim instanceof CodedError) return answer(claim);
    if (claim.fence !== undefined) return answer(claim.fence);
    claim.wait(waitMs, answer, this.options.now());
    const lock = this.lockOf(name);
    this.restless.add(lock);
    this.settle(lock);
  }

  /** The turn that took it has committed. */
  keep(connection: string, name: string): void {
    const claim = this.claims.get(connection)?.get(name);
    if (claim !== undefined) claim.isKept = true;
  }

  /** The turn that gives it back has committed. */
  release(connection: string, name: string): void {
    const claim = this.claims.get(connection)?.get(name);
    if (claim !== undefined) this.drop(claim);
  }

  /** A turn of the connection has ended: what it has taken and not kept is given back. */
  commit(connection: string): void {
    for (const claim of this.claims.get(connection)?.values() ?? []) if (!claim.isKept) this.drop(claim);
  }

  /** The connection has ended. */
  end(connection: string): void {
    for (const claim of this.claims.get(connection)?.values() ?? []) this.drop(claim);
  }

  /** NATS or this process stood still: whatever was heard or put meanwhile may be lost. */
  reconnected(): void {
    this.options.entries.forget();
    for (const lock of this.locks.values()) this.look(lock);
  }

  /** To be called a few times a second while NATS is there. */
  sweep(): void {
    const now = this.options.now();
    for (const lock of this.restless) {
      for (const claim of lock.claims.values()) if (claim.isLate(now)) this.giveUp(claim);
      if (lock.lookAt <= now) this.look(lock);
    }
  }

  private claimOf(connection: string, name: string): Claim | CodedError {
    const own = this.claims.get(connection) ?? new Map<string, Claim>();
    const known = own.get(name);
    if (known !== undefined && known.wants !== "over") return known;
    const { total, perConnection } = this.options.limits;
    if (known === undefined) {
      if (own.size >= perConnection)
        return new CodedError("lock.tooMany", `a connection has at most ${perConnection} locks (LOCKS_PER_CONNECTION)`);
      if (this.count >= total) return new CodedError("lock.total", `this gateway has at most ${total} locks (LOCKS)`);
      this.count++;
    }
    const claim = new Claim(connection, name, known !== undefined);
    own.set(name, claim);
    this.claims.set(connection, own);
    this.lockOf(name).claims.set(connection, claim);
    return claim;
  }

  private lockOf(name: string): Lock {
    const key = encodeTopic(name);
    const known = this.locks.get(key);
    if (known !== undefined) return known;
    this.hear();
    const lock = newLock(name, key);
    this.locks.set(key, lock);
    return lock;
  }

  private hear(): void {
    if (this.isHearing) return;
    this.isHearing = true;
    this.options.entries.store.hear((key, value) => {
      const lock = this.locks.get(key);
      if (lock !== undefined ? !isSameLine(lock.putting ?? lock.seen?.value, value) : this.strays(value, undefined).length > 0) {
        this.look(lock ?? this.lockOf(decodeTopic(key)));
      }
    });
  }

  private drop(claim: Claim): void {
    if (claim.wants === "over") return;
    claim.over(undefined);
    this.settle(this.lockOf(claim.name));
  }

  private giveUp(claim: Claim): void {
    this.counters.missed++;
    claim.over(claim.failure);
    this.settle(this.lockOf(claim.name));
  }

  private look(lock: Lock): void {
    lock.seen = undefined;
    this.settle(lock);
  }

  /** Has the store hold what is wanted here. */
  private settle(lock: Lock): void {
    lock.isStale = true;
    this.asked.begin(lock);
  }

  private async ask(lock: Lock): Promise<void> {
    // Forgotten, while it was to be asked once more: another may have taken its place, and knows of claims that this one does not.
    if (this.locks.get(lock.key) !== lock) return;
    try {
      while (lock.isStale) {
        lock.isStale = false;
        const entry = await this.settled(lock);
        if (entry !== undefined) await this.tell(lock, entry);
        else lock.isStale = true;
      }
      const isOpen = this.isInDoubt(lock) || [...lock.claims.values()].some(({ fence }) => fence === undefined);
      if (!isOpen) this.restless.delete(lock);
      lock.lookAt = isOpen ? this.options.now() + lookMs : Number.POSITIVE_INFINITY;
    } catch (error) {
      lock.seen = undefined;
      // What it does not find any more is made anew, and may be found by the next question.
      this.options.entries.forget();
      lock.lookAt = this.options.now() + retryMs;
      this.restless.add(lock);
      for (const claim of lock.claims.values()) claim.failed(error);
      // Kept until the store has told: somebody may be in line there whom nobody here wants.
      return;
    }
    if (lock.claims.size > 0 || this.isInDoubt(lock)) return;
    this.locks.delete(lock.key);
    this.restless.delete(lock);
  }

  /** @returns what the store has now; undefined: somebody else was faster. */
  private async settled(lock: Lock): Promise<Entry<LockValue> | undefined> {
    const { entries } = this.options;
    const seen = lock.seen ?? (await entries.store.get(lock.key));
    // A notice may have come meanwhile, of what this does not know yet.
    lock.seen = lock.isStale ? undefined : seen;
    this.findLost(lock, seen.value);
    const fence = await entries.fenceOf(seen);
    const own = [...lock.claims.values()];
    const next = nextLine(seen.value, fence, [...this.strays(seen.value, lock), ...this.orphans(seen.value), ...own]);
    if (isSameLine(seen.value, next) && !own.some(({ isAgain }) => isAgain)) return seen;
    lock.putting = next;
    // Until it is answered.
    lock.doubtUntil = Number.POSITIVE_INFINITY;
    const revision = await entries.replace(lock.key, seen, next).finally(() => {
      lock.putting = undefined;
      lock.doubtUntil = this.options.now() + lateMs;
    });
    lock.doubtUntil = 0;
    // A notice may have come meanwhile: then it is read again.
    const isCurrent = lock.seen === seen;
    lock.seen = undefined;
    if (revision === undefined) return undefined;
    for (const claim of own) claim.isAgain = false;
    const entry = { value: next, revision };
    if (isCurrent) lock.seen = entry;
    return entry;
  }

  /** Connections of this gateway that want it no more: a put that was not answered, and was given up, has been stored later. */
  private strays(value: LockValue | undefined, lock: Lock | undefined): LockClaim[] {
    const own = value?.line.filter((connection) => gatewayOf(connection) === this.options.self && !lock?.claims.has(connection)) ?? [];
    return own.map((connection) => ({ connection, wants: "over" }));
  }

  /** Connections of gateways that are no more, and that nobody has taken out. */
  private orphans(value: LockValue | undefined): LockClaim[] {
    const { self, isGone } = this.options;
    const isOrphan = (connection: string) => gatewayOf(connection) !== self && isGone(gatewayOf(connection));
    return (value?.line ?? []).filter(isOrphan).map((connection) => ({ connection, wants: "over" }));
  }

  private isInDoubt({ doubtUntil }: Lock): boolean {
    return this.options.now() < doubtUntil;
  }

  /** Who has had it and is not in front any more. */
  private findLost(lock: Lock, value: LockValue | undefined): void {
    for (const claim of lock.claims.values()) {
      if (claim.fence === undefined || claim.wants === "over" || value?.line[0] === claim.connection) continue;
      this.counters.lost++;
      claim.over(undefined);
      this.options.onLost(claim.connection, lock.name);
    }
  }

  private async tell(lock: Lock, entry: Entry<LockValue>): Promise<void> {
    const line = entry.value?.line ?? [];
    const fence = await this.options.entries.fenceOf(entry);
    for (const claim of lock.claims.values()) {
      claim.failure = undefined;
      const place = line.indexOf(claim.connection);
      if (claim.wants === "over") {
        if (place < 0) this.forget(lock, claim);
        // One that has come back meanwhile has still to go behind the others.
      } else if (place === 0 && claim.isAgain) continue;
      else if (place === 0) {
        if (claim.fence === undefined) this.counters.taken++;
        claim.hold(fence);
        // One that has come meanwhile is in no line yet.
      } else if (place < 0 && !lock.isStale) {
        this.counters.missed++;
        claim.over(claim.wants === "now" ? undefined : new CodedError("lock.crowded", `too many wait for ${lock.name}`));
        this.forget(lock, claim);
      }
    }
  }

  private forget(lock: Lock, claim: Claim): void {
    lock.claims.delete(claim.connection);
    const own = this.claims.get(claim.connection);
    own?.delete(claim.name);
    if (own?.size === 0) this.claims.delete(claim.connection);
    this.count--;
  }
}

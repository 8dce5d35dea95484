// What several connections have in common, an address or a user: how many there are, and what they have used. It is remembered for as long
// as past use lasts, so that nobody starts anew by connecting again. Pure.

import type { Usage } from "./rate.ts";

type Kind = "messages" | "bytes" | "pings" | "upgrades" | "failures" | "requests" | "refusals" | "sockets";

export class Party implements Usage<Kind> {
  readonly key: string;
  /** No limit holds for it. */
  isExempt = false;
  /** Those that are open, and upgrades and requests that have not been answered. */
  connections = 0;
  /** Sessions over HTTP of its clients. */
  sessions = 0;
  /** Requests, not upgrades, that may be of its sessions, and whose answers have not ended. */
  openRequests = 0;
  /** That the gateway has since one of its connections was the first to subscribe. */
  topics = 0;
  /** Of its connections, that have not been given to a worker. */
  timers = 0;
  /** What its connections tell as members of topics. */
  memberBytes = 0;
  /** What waits of its connections and requests: see Parking. */
  parkedBytes = 0;
  /** What its connections have published that waits to be stored: see KeptOutbox. */
  historyBytes = 0;
  messages = 0;
  bytes = 0;
  pings = 0;
  upgrades = 0;
  /** Failed upgrades, and connections that were closed for what their client had done. */
  failures = 0;
  requests = 0;
  /** Answers that there were too many of the others. */
  refusals = 0;
  /** TCP connections, whatever became of them. */
  sockets = 0;

  constructor(key: string) {
    this.key = key;
  }
}

export class Parties {
  private readonly all = new Map<string, Party>();
  /** Those without a connection. */
  private readonly leaving = new Set<Party>();

  get size(): number {
    return this.all.size;
  }

  values(): Iterable<Party> {
    return this.all.values();
  }

  find(key: string): Party | undefined {
    return this.all.get(key);
  }

  /** Made where it is not known. */
  get(key: string): Party {
    const known = this.all.get(key);
    if (known !== undefined) return known;
    const party = new Party(key);
    this.all.set(key, party);
    this.leaving.add(party);
    return party;
  }

  enter(party: Party): void {
    party.connections++;
    this.leaving.delete(party);
  }

  leave(party: Party): void {
    party.connections--;
    if (party.connections === 0) this.leaving.add(party);
  }

  /** Forgets those whose past use lasts no longer. */
  sweep(now: number): void {
    for (const party of this.leaving) {
      const { sessions, topics, parkedBytes, historyBytes, messages, bytes, pings, upgrades, failures, requests, refusals, sockets } =
        party;
      if (Math.max(sessions, topics, parkedBytes, historyBytes) > 0) continue;
      if (Math.max(messages, bytes, pings, upgrades, failures, requests, refusals, sockets) > now) continue;
      this.leaving.delete(party);
      this.all.delete(party.key);
    }
  }
}

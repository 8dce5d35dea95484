// What became of the numbered messages of one client from npm, and whether it was disconnected by what may do that. Pure.

import { gatewayOf } from "../protocol/connection-id.ts";
import { Sequence } from "../testbed/sequence.ts";

/** Of one client, with all that it was sent over its connections. */
export interface LibraryFigures extends Counts {
  readonly client: string;
  /** How often it has come back. */
  readonly reconnected: number;
}

interface Counts {
  readonly sent: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
}

export class LibraryRecord {
  readonly name: string;
  isOpen = false;
  /** Since it was connected last. */
  sent = 0;
  /** How often it was connected. */
  lives = 0;
  /** In words. */
  private readonly wrong: string[] = [];
  private readonly ways: readonly string[];
  private back = new Map<string, Sequence>();
  /** Of the connections that have ended. */
  private before: Counts = { sent: 0, lost: 0, doubled: 0, reordered: 0 };
  private failures: string[] = [];
  private connections: readonly string[] = [];
  /** Until it is known whether their gateway has gone. */
  private ends: { readonly what: string[]; readonly connections: readonly string[] }[] = [];

  constructor({ name, ways }: { readonly name: string; readonly ways: readonly string[] }) {
    this.name = name;
    this.ways = ways;
  }

  /** @param connections See LibraryEvents. */
  opened(connections: readonly string[]): void {
    this.isOpen = true;
    this.lives++;
    this.sent = 0;
    this.connections = connections;
    this.back = new Map(this.ways.map((way) => [way, new Sequence(1)]));
  }

  heard(way: string, number: number): void {
    this.back.get(way)?.take(number);
  }

  failed(reason: string): void {
    this.failures.push(`an error: ${reason}`);
  }

  ended(reason: string): void {
    this.isOpen = false;
    // What was under way may be lost with a gateway; nothing before it.
    this.count(undefined);
    this.before = this.total(undefined);
    this.back = new Map();
    this.sent = 0;
    this.ends.push({ what: [`disconnected: ${reason}`, ...this.failures.splice(0)], connections: this.connections });
  }

  /** The highest number that has come back in all ways. */
  get last(): number {
    return Math.min(...[...this.back.values()].map(({ last }) => last));
  }

  /** Of all its connections: what has not come back over the present one is lost. */
  get figures(): LibraryFigures {
    return { client: this.name, ...this.total(this.sent), reconnected: Math.max(0, this.lives - 1) };
  }

  /** Whether everything up to a number has come back. */
  hasBack(number: number): boolean {
    return [...this.back.values()].every((sequence) => sequence.last >= number && sequence.lost(number) === 0);
  }

  /**
   * Decides about the times that it was disconnected since the last call.
   * @param gone Ids of the gateways that have ended since then.
   */
  judge(gone: readonly string[]): void {
    for (const { what, connections } of this.ends.splice(0)) {
      const isExcused = connections.length === 0 ? gone.length > 0 : connections.some((id) => gone.includes(gatewayOf(id)));
      if (!isExcused) this.wrong.push(...what);
    }
  }

  /** @returns in words, what is wrong; empty: nothing. */
  verdict(): string[] {
    if (this.isOpen) this.count(this.sent);
    this.judge([]);
    return [...this.wrong, ...this.failures].map((what) => `${this.name}: ${what}`);
  }

  /** @param last What should have come back by now; undefined: only gaps count. */
  private count(last: number | undefined): void {
    for (const [way, sequence] of this.back) {
      const words = Object.entries(countsOf(sequence, last)).filter(([, count]) => count > 0);
      if (words.length > 0) this.wrong.push(`${way}: ${words.map(([what, count]) => `${count} ${what}`).join(", ")} of ${this.sent}`);
    }
  }

  /** @param last As for `count`. */
  private total(last: number | undefined): Counts {
    const total = { ...this.before, sent: this.before.sent + this.sent };
    for (const sequence of this.back.values()) {
      const { lost, doubled, reordered } = countsOf(sequence, last);
      total.lost += lost;
      total.doubled += doubled;
      total.reordered += reordered;
    }
    return total;
  }
}

function countsOf(sequence: Sequence, last: number | undefined): { lost: number; doubled: number; reordered: number } {
  return { lost: sequence.lost(last), doubled: sequence.doubled, reordered: sequence.reordered };
}

// Whether one connection at a time has a lock: a few want the same one, and each tells from when to when it has it.

import { setTimeout as pause } from "node:timers/promises";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { Listener } from "./listener.ts";

const names = ["rival 1", "rival 2", "rival 3"];
const holdMs = 30;
/** Before a rival asks again that has not got it. */
const pauseMs = 50;
const mostShown = 3;
/** What a turn may be told while NATS, its store or the connection's gateway is away. */
const expectedFailures: readonly string[] = ["store.unavailable", "app.noGateway"];
/** As chaos/handlers/contended.ts says it. */
const answer = /^(has|missed|free|failed) ?(.*)$/;

export class LockWatch {
  private readonly url: string;
  private readonly record = new LockRecord();
  private readonly signal = new Signal();
  private readonly open = new Set<Listener>();
  private readonly running: Promise<void>[];
  private isOver = false;

  constructor(url: string) {
    this.url = url;
    this.running = names.map((rival) => this.compete(rival));
  }

  /** Resolves when each rival had the lock once more: nobody who has gone has it. */
  async passes(): Promise<void> {
    const before = new Map(this.record.takes);
    const late = () => names.filter((rival) => (this.record.takes.get(rival) ?? 0) <= (before.get(rival) ?? 0));
    await this.signal.until(
      () => late().length === 0,
      () => `${late().join(" and ")} has the lock once more`,
      patienceMs,
    );
  }

  /** @returns in words, what is wrong; empty: nothing. */
  async close(): Promise<string[]> {
    this.isOver = true;
    await Promise.all([...this.open].map((listener) => listener.close()));
    await Promise.all(this.running);
    const { wrong } = this.record;
    return wrong.length > mostShown ? [...wrong.slice(0, mostShown), `and ${wrong.length - mostShown} more of the lock`] : [...wrong];
  }

  private async compete(rival: string): Promise<void> {
    while (!this.isOver) {
      const listener = await Listener.open(`${this.url}/contended`).catch(() => undefined);
      if (listener === undefined) await pause(pauseMs);
      else await this.use(listener, rival);
    }
  }

  /** Until it is closed. */
  private async use(listener: Listener, rival: string): Promise<void> {
    this.open.add(listener);
    try {
      while (!this.isOver) {
        const [, kind, what = ""] = answer.exec(await ask(listener, "lock")) ?? [];
        // The rivals are closed one after the other: whoever is closed last may get the lock of the one that was closed first.
        if (this.isOver) return;
        if (kind === "has") {
          this.record.taken(rival, Number(what));
          this.signal.tell();
          await pause(holdMs);
          this.record.left(rival);
          await ask(listener, "unlock");
        } else if (kind === "failed" && !expectedFailures.includes(what)) this.record.wrong.push(`${rival} was told ${what}`);
        else await pause(pauseMs);
      }
    } catch (error) {
      const { closed } = listener;
      if (closed === undefined) this.record.wrong.push(`${rival}: ${(error as Error).message}`);
      else if (closed.reason.startsWith("lock.")) this.record.wrong.push(`${rival} was closed with ${closed.reason}`);
    } finally {
      // Whoever has gone has nothing.
      this.record.left(rival);
      // It may have opened after the others were closed.
      if (listener.closed === undefined) await listener.close();
      this.open.delete(listener);
    }
  }
}

async function ask(listener: Listener, what: string): Promise<string> {
  listener.heard.length = 0;
  listener.send(what);
  await listener.until(() => listener.heard.length > 0, `an answer to ${what}`);
  return listener.heard[0]?.text ?? "";
}

/** Who has had it, in the order in which it was heard: never two at a time, and each with a higher fence. */
export class LockRecord {
  /** By rival, how often. */
  readonly takes = new Map<string, number>();
  /** In words. */
  readonly wrong: string[] = [];
  private highest = 0;
  private readonly holders = new Map<string, number>();

  taken(rival: string, fence: number): void {
    this.takes.set(rival, (this.takes.get(rival) ?? 0) + 1);
    for (const [other, held] of this.holders) {
      if (other !== rival) this.wrong.push(`${rival} has the lock with fence ${fence}, and ${other} with ${held}`);
    }
    if (fence <= this.highest) this.wrong.push(`${rival} has the lock with fence ${fence} behind ${this.highest}`);
    this.highest = Math.max(this.highest, fence);
    this.holders.set(rival, fence);
  }

  /** It has asked to give it back, or its connection has ended. */
  left(rival: string): void {
    this.holders.delete(rival);
  }
}

// Which gateways and workers have said hello lately. Pure: what they say and the time are handed in.

import { EventEmitter, on } from "node:events";
import type { Activation, Announcement, GatewayHello, WorkerHello } from "../protocol/membership.ts";
import { laterActivation } from "../protocol/membership.ts";

/** Five heartbeats: then a member is thought dead. */
const silenceMs = 5_000;
/** Shorter spans between hellos say little about a rate. */
const rateSpanMs = 500;
const askMs = 50;

export interface Rates {
  readonly inPerSecond: number;
  readonly outPerSecond: number;
}

interface Seen<T> {
  hello: T;
  heardAtMs: number;
}

interface SeenGateway extends Seen<GatewayHello> {
  rates: Rates;
  /** What the next rates are taken against. */
  sample: { atMs: number; in: number; out: number };
}

export class Members {
  private readonly seenGateways = new Map<string, SeenGateway>();
  private readonly seenWorkers = new Map<string, Seen<WorkerHello>>();
  private readonly changes = new EventEmitter().setMaxListeners(0);
  private readonly host: string;
  /** Announcements may be lost: what matters is to be said again. */
  readonly say: (announcement: Announcement) => void;
  /** The highest that anybody has spoken of. */
  heardActivation: Activation | undefined;

  /**
   * @param host This machine's name, as hellos give it: process ids are its own.
   * @param say Called again and again while somebody waits.
   */
  constructor(host: string, say: (announcement: Announcement) => void) {
    this.host = host;
    this.say = say;
  }

  /** Has everybody say hello now. */
  ask(): void {
    this.say({ kind: "ask" });
  }

  get gateways(): GatewayHello[] {
    return [...this.seenGateways.values()].map((seen) => seen.hello);
  }

  get workers(): WorkerHello[] {
    return [...this.seenWorkers.values()].map((seen) => seen.hello);
  }

  ratesOf(gatewayId: string): Rates {
    return this.seenGateways.get(gatewayId)?.rates ?? { inPerSecond: 0, outPerSecond: 0 };
  }

  /** @param nowMs of any clock that does not jump, the same for all calls. */
  hear(announcement: Announcement, nowMs: number): void {
    switch (announcement.kind) {
      case "gateway":
        this.seenGateways.set(announcement.id, sawGateway(this.seenGateways.get(announcement.id), announcement, nowMs));
        this.heardActivation = laterActivation(this.heardActivation, announcement.activation);
        break;
      case "worker":
        // Which release is active is not for workers to say.
        this.seenWorkers.set(announcement.id, { hello: announcement, heardAtMs: nowMs });
        break;
      case "activate":
        this.heardActivation = laterActivation(this.heardActivation, announcement.activation);
        return;
      case "gone":
        this.forget(announcement.id);
        return;
      case "ask":
      case "checkStates":
        return;
    }
    this.changes.emit("change");
  }

  forget(id: string): void {
    const wasKnown = this.seenGateways.delete(id) || this.seenWorkers.delete(id);
    if (wasKnown) this.changes.emit("change");
  }

  forgetSilent(nowMs: number): void {
    for (const seen of [...this.seenGateways.values(), ...this.seenWorkers.values()]) {
      if (nowMs - seen.heardAtMs > silenceMs) this.forget(seen.hello.id);
    }
  }

  /** Whoever has that process id on this machine. */
  byProcess(pid: number): GatewayHello | WorkerHello | undefined {
    return [...this.gatewaysAmong([pid]), ...this.workersAmong([pid])][0];
  }

  gatewaysAmong(pids: readonly number[]): GatewayHello[] {
    return this.gateways.filter(({ host, pid }) => host === this.host && pids.includes(pid));
  }

  workersAmong(pids: readonly number[]): WorkerHello[] {
    return this.workers.filter(({ host, pid }) => host === this.host && pids.includes(pid));
  }

  /**
   * As `until`, for so long at most.
   * @returns whether it was so in time.
   * @throws the signal's reason.
   */
  async within(
    timeoutMs: number,
    isSo: () => boolean,
    { signal, ask }: { signal?: AbortSignal; ask?: () => Announcement } = {},
  ): Promise<boolean> {
    const late = AbortSignal.timeout(timeoutMs);
    try {
      await this.until(isSo, signal === undefined ? late : AbortSignal.any([late, signal]), ask);
      return true;
    } catch (error) {
      if (!late.aborted || signal?.aborted) throw error;
      return false;
    }
  }

  /**
   * Resolves once `isSo` holds; it is looked at again at each hello.
   * @param ask Makes what is said again and again meanwhile.
   * @throws the signal's reason.
   */
  async until(isSo: () => boolean, signal: AbortSignal, ask: () => Announcement = () => ({ kind: "ask" })): Promise<void> {
    signal.throwIfAborted();
    if (isSo()) return;
    // Their next heartbeat may be a second away.
    const asking = setInterval(() => this.say(ask()), askMs);
    try {
      for await (const _ of on(this.changes, "change", { signal })) if (isSo()) return;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      clearInterval(asking);
    }
  }
}

function sawGateway(before: SeenGateway | undefined, hello: GatewayHello, nowMs: number): SeenGateway {
  const sample = { atMs: nowMs, in: hello.messagesIn, out: hello.messagesOut };
  if (before === undefined) return { hello, heardAtMs: nowMs, rates: { inPerSecond: 0, outPerSecond: 0 }, sample };
  const spanMs = nowMs - before.sample.atMs;
  if (spanMs < rateSpanMs) return { ...before, hello, heardAtMs: nowMs };
  const perSecond = (now: number, then: number) => Math.max(0, Math.round(((now - then) * 1000) / spanMs));
  const rates = { inPerSecond: perSecond(sample.in, before.sample.in), outPerSecond: perSecond(sample.out, before.sample.out) };
  return { hello, heardAtMs: nowMs, rates, sample };
}

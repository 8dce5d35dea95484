// Runs the handlers' onStart for as long as the worker's release is active. Pure; the clock and hellos are handed in.
//
// A ticker must not tick in two releases. So before it begins, a worker waits until each worker of another release has said in a
// hello that it has heard of the activation and that its own onStart is off: the signal is aborted, what the hooks returned has
// settled, and what they published is with the gateways. Which workers there are, gateways know for longer: it waits for one of them,
// and for those that they name. Who says nothing hangs, or cannot hear, and is waited for no longer than patienceMs. Gateways leave
// connections with the release before until onStart is on: nobody waits for it.

import type { Activation, GatewayHello, OnStartHello, WorkerHello } from "../protocol/membership.ts";
import type { StartContext } from "./handler.ts";

/** How long others have for ending theirs, and our own hooks for settling after their abort. */
export const patienceMs = 1_500;

export interface OnStartOptions {
  /** This worker's. */
  readonly id: string;
  readonly release: string;
  readonly hooks: readonly StartHook[];
  /** How long the hooks may take. */
  readonly limitMs: number;
  readonly now: () => number;
  /** Resolves when gateways have answered what app.* has asked for until now. */
  readonly confirmed: () => Promise<unknown>;
  /** Others are to be told: see `hello`. */
  readonly onChange: () => void;
  readonly onFailed: (file: string, error: unknown) => void;
}

export interface StartHook {
  readonly file: string;
  readonly run: (context: StartContext) => unknown;
}

/** From one activation of the release until it is active no more. */
interface Run {
  readonly generation: number;
  readonly controller: AbortController;
  readonly unsettled: Set<StartHook>;
  readonly settled: Promise<unknown>;
}

export class OnStart {
  private readonly options: OnStartOptions;
  private phase: OnStartHello["phase"] = "off";
  /** When the phase began, or what it waits for. */
  private since = 0;
  private activation: Activation | undefined;
  private run: Run | undefined;
  private isEnded = false;
  /** Workers of other releases that have an onStart. */
  private readonly others = new Map<string, WorkerHello>();
  /** Workers that have said hello themselves. */
  private readonly heard: Set<string>;
  /** The workers that each gateway knows. */
  private readonly named = new Map<string, Set<string>>();
  /** Hooks that have thrown, or taken too long. */
  failed = 0;

  constructor(options: OnStartOptions) {
    this.options = options;
    this.heard = new Set([options.id]);
  }

  /** What the worker's hello says of it; undefined where no handler has an onStart. */
  get hello(): OnStartHello | undefined {
    return this.options.hooks.length === 0 ? undefined : { phase: this.phase, failed: this.failed };
  }

  get isOff(): boolean {
    return this.phase === "off";
  }

  /** Told of the highest activation that was heard, as often as one likes. */
  activated(activation: Activation): void {
    if (this.options.hooks.length === 0 || activation.generation === this.activation?.generation) return;
    this.activation = activation;
    if (this.phase === "off") this.since = this.options.now();
    // Before it says that it has heard.
    this.step();
    this.options.onChange();
  }

  /** A worker says hello. To be told of its activation first. */
  hear(hello: WorkerHello): void {
    this.heard.add(hello.id);
    if (hello.release !== this.options.release && hello.onStart !== undefined) this.others.set(hello.id, hello);
    this.step();
  }

  /** A gateway says hello. To be told of its activation afterwards. */
  hearGateway({ id, pins }: GatewayHello): void {
    this.named.set(id, new Set(Object.keys(pins)));
    this.step();
  }

  /** A worker or a gateway has gone. */
  forget(id: string): void {
    this.others.delete(id);
    this.heard.delete(id);
    this.named.delete(id);
    for (const workers of this.named.values()) workers.delete(id);
    this.step();
  }

  /** For good. */
  end(): void {
    this.isEnded = true;
    this.step();
  }

  /** To be called when something has changed, and now and then. */
  step(): void {
    const waitedMs = this.options.now() - this.since;
    if (this.phase === "off") {
      if (this.isWanted && this.mayBegin(waitedMs)) this.begin();
    } else if (this.phase === "ending") {
      if (waitedMs >= patienceMs) this.giveUp(`onStart has not settled ${patienceMs / 1000} s after its signal aborted`);
    } else if (!this.isWanted || this.run?.generation !== this.activation?.generation) this.abort();
    else if (this.phase === "starting" && waitedMs >= this.options.limitMs) {
      this.giveUp(`onStart has not returned after ${this.options.limitMs / 1000} s (half of READY_TIMEOUT_MS)`);
    }
  }

  private get isWanted(): boolean {
    return !this.isEnded && this.activation?.release === this.options.release;
  }

  private mayBegin(waitedMs: number): boolean {
    const late = [...this.others.values()].filter((other) => !this.hasEnded(other));
    const unheard = [...this.named.values()].flatMap((workers) => [...workers]).filter((id) => !this.heard.has(id));
    if (late.length === 0 && unheard.length === 0 && this.named.size > 0) return true;
    if (waitedMs < patienceMs) return false;
    // One that has died is not waited for again.
    for (const { id } of late) this.others.delete(id);
    for (const id of unheard) this.heard.add(id);
    return true;
  }

  private hasEnded({ onStart, state, activation }: WorkerHello): boolean {
    const hasHeard = (activation?.generation ?? 0) >= (this.activation?.generation ?? 0);
    return onStart?.phase === "off" && (hasHeard || state === "draining");
  }

  private begin(): void {
    const { hooks } = this.options;
    const controller = new AbortController();
    const context = { signal: controller.signal, generation: this.activation?.generation ?? 0 };
    const unsettled = new Set(hooks);
    this.enter("starting");
    const settled = Promise.all(hooks.map((hook) => this.call(hook, context).then(() => unsettled.delete(hook))));
    const run = { generation: context.generation, controller, unsettled, settled };
    this.run = run;
    void settled.then(() => {
      if (this.run === run && this.phase === "starting") this.enter("on");
    });
  }

  private async call({ file, run }: StartHook, context: StartContext): Promise<void> {
    try {
      await run(context);
    } catch (error) {
      if (!context.signal.aborted) this.fail(file, error);
    }
  }

  private abort(): void {
    const { run } = this;
    run?.controller.abort();
    this.enter("ending");
    const ended = Promise.all([run?.settled]).then(() => this.options.confirmed());
    void ended.then(() => {
      if (this.run === run && this.phase === "ending") this.turnOff();
    });
  }

  // Whatever has not settled is an error, and waited for no longer.
  private giveUp(text: string): void {
    for (const { file } of this.run?.unsettled ?? []) this.fail(file, new Error(text));
    if (this.phase === "starting") this.enter("on");
    else this.turnOff();
  }

  private turnOff(): void {
    this.run = undefined;
    this.enter("off");
    this.step();
  }

  private fail(file: string, error: unknown): void {
    this.failed++;
    this.options.onFailed(file, error);
  }

  private enter(phase: OnStartHello["phase"]): void {
    this.phase = phase;
    this.since = this.options.now();
    this.options.onChange();
  }
}

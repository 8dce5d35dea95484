// Runs the handlers' tasks: each in one worker of the active release, of all machines. Who has the task's lease runs it. Before a task
// begins, every gateway is told its fence, and refuses from then on what is asked for with a lower one: so a worker that had the lease before, and stood
// still, publishes nothing more.
//
// A task ends with its lease, and when its release is active no more, or the worker drains: its signal aborts, and when what it returned has
// settled, the lease is given up. What does not settle is waited for no longer than patienceMs: its app refuses everything by then.

import type { FenceBody } from "../protocol/commands.ts";
import { CodedError, isCodedError } from "../protocol/errors.ts";
import type { KeyValueStore } from "../protocol/key-value.ts";
import type { LeaseValue } from "../protocol/lease-value.ts";
import type { Activation } from "../protocol/membership.ts";
import { encodeTopic } from "../protocol/subjects.ts";
import type { App, TaskContext } from "./handler.ts";
import { Lease } from "./lease.ts";
import { patienceMs } from "./on-start.ts";

/** How long gateways have for hearing of a fence. One that is silent for longer stands still, or has gone. */
const fenceMs = 500;
/** After a task has thrown. Twice as long after each further time, until it has run for longer than the longest. */
const shortestPauseMs = 1_000;
const longestPauseMs = 60_000;

/** What a module has under `tasks`. */
export interface TaskToRun {
  readonly file: string;
  /** Of the handler. */
  readonly path: string;
  readonly name: string;
  readonly run: (app: App, context: TaskContext) => unknown;
}

/** Lets through what a task asks for, for as long as its lease holds. */
export interface TaskPass {
  /** Goes along with what it asks gateways for. */
  readonly fence: FenceBody;
  /** @throws {CodedError} "task.over" */
  check(): void;
  /** A gateway has heard of a higher fence. */
  over(): CodedError;
}

export interface TasksOptions {
  /** This worker's. */
  readonly id: string;
  readonly release: string;
  readonly tasks: readonly TaskToRun[];
  readonly store: Pick<KeyValueStore<LeaseValue>, "get" | "replace" | "hear" | "floor">;
  readonly now: () => number;
  readonly app: (pass: TaskPass) => App;
  /** Those that there are. */
  readonly gateways: () => readonly string[];
  /** Tells a gateway of it. Rejects where that is too old, or does not answer. */
  readonly tell: (gateway: string, fence: FenceBody) => Promise<unknown>;
  /** Resolves when gateways have answered what app.* has asked for until now. */
  readonly confirmed: () => Promise<unknown>;
  /** Others are to be told: see `running`. */
  readonly onChange: () => void;
  readonly onFailed: (task: TaskToRun, error: unknown) => void;
  readonly after: (ms: number, run: () => void) => void;
}

export class Tasks {
  private readonly options: TasksOptions;
  private readonly tasks: readonly Task[];
  private readonly endHearing: () => void;
  private isEnded = false;

  constructor(options: TasksOptions) {
    this.options = options;
    const others = () => this.tasks.filter(({ isRunning }) => isRunning).length;
    this.tasks = options.tasks.map((task) => new Task(task, options, others));
    const byKey = new Map(this.tasks.map((task) => [task.key, task]));
    this.endHearing = this.tasks.length === 0 ? () => undefined : options.store.hear((key, value) => byKey.get(key)?.lease.hear(value));
  }

  /** The fence of each that runs here, by path and name: "/ticker prices". */
  get running(): Record<string, number> {
    return Object.fromEntries(
      this.tasks.flatMap(({ isRunning, lease: { fence }, title }) => (isRunning && fence !== undefined ? [[title, fence]] : [])),
    );
  }

  get areOff(): boolean {
    return this.tasks.every(({ isOff }) => isOff);
  }

  /** Told of the highest activation that was heard, as often as one likes. */
  activated(activation: Activation): void {
    const isActive = activation.release === this.options.release;
    for (const task of this.tasks) task.want(isActive && !this.isEnded);
  }

  /** A gateway has been met. */
  met(gateway: string): void {
    for (const task of this.tasks) task.tell(gateway);
  }

  /** A worker has ended. */
  gone(worker: string): void {
    for (const { lease } of this.tasks) lease.gone(worker);
  }

  step(): void {
    for (const { lease } of this.tasks) lease.step();
  }

  /** For good. */
  end(): void {
    this.isEnded = true;
    for (const task of this.tasks) task.want(false);
  }

  /** Hears of leases no more. */
  stop(): void {
    this.endHearing();
  }
}

/** From the taking of a lease to its end. */
interface Run {
  readonly fence: number;
  readonly controller: AbortController;
  settled: Promise<unknown>;
}

class Task {
  readonly title: string;
  readonly key: string;
  readonly lease: Lease;
  private readonly task: TaskToRun;
  private readonly options: TasksOptions;
  private isWanted = false;
  private run: Run | undefined;
  private ending: Promise<void> | undefined;
  private pauseMs = shortestPauseMs;

  constructor(task: TaskToRun, options: TasksOptions, others: () => number) {
    this.task = task;
    this.options = options;
    this.title = `${task.path} ${task.name}`;
    this.key = encodeTopic(this.title);
    this.lease = new Lease({
      key: this.key,
      self: options.id,
      store: options.store,
      now: options.now,
      others,
      onTaken: (fence) => void this.begin(fence),
      onLost: () => this.end(),
      onFailed: (error) => options.onFailed(task, error),
    });
  }

  get isRunning(): boolean {
    return this.run !== undefined;
  }

  get isOff(): boolean {
    return this.run === undefined && this.ending === undefined;
  }

  want(isWanted: boolean): void {
    if (isWanted === this.isWanted) return;
    this.isWanted = isWanted;
    if (isWanted) this.wantLease();
    else if (this.run === undefined) void this.lease.giveUp();
    else this.end();
  }

  /** A gateway that was not there when it began. */
  tell(gateway: string): void {
    if (this.run !== undefined) this.options.tell(gateway, [this.key, this.run.fence]).catch(() => undefined);
  }

  /** Not before what ran has ended. */
  private wantLease(): void {
    if (this.isWanted && this.ending === undefined) this.lease.want();
  }

  private async begin(fence: number): Promise<void> {
    const { after, onFailed, onChange } = this.options;
    const run: Run = { fence, controller: new AbortController(), settled: Promise.resolve() };
    this.run = run;
    onChange();
    try {
      await Promise.race([this.tellAll(fence), new Promise<void>((resolve) => after(fenceMs, resolve))]);
      this.call(run);
    } catch (error) {
      onFailed(this.task, error);
      this.runAgain(run, () => this.end());
    }
  }

  /** @throws {CodedError} "gateway.outdated" */
  private async tellAll(fence: number): Promise<void> {
    const { gateways, tell } = this.options;
    const told = gateways().map(async (gateway) => {
      // One that has gone, or does not answer, carries out nothing that is older, either.
      await tell(gateway, [this.key, fence]).catch((error) => {
        if (isCodedError(error, "gateway.outdated")) throw error;
      });
    });
    await Promise.all(told);
  }

  private call(run: Run): void {
    const { options, task, key, lease } = this;
    const { fence, controller } = run;
    const { signal } = controller;
    if (signal.aborted) return;
    const over = () => overOf(task);
    const check = () => {
      if (lease.fence !== fence || signal.aborted) throw over();
    };
    const app = options.app({ fence: [key, fence], check, over });
    const begunAt = options.now();
    run.settled = (async () => task.run(app, { signal, fence }))().catch((error: unknown) => {
      if (signal.aborted) return;
      options.onFailed(task, error);
      if (options.now() - begunAt > longestPauseMs) this.pauseMs = shortestPauseMs;
      this.runAgain(run, () => this.call(run));
    });
  }

  private runAgain(run: Run, go: () => void): void {
    this.options.after(this.pauseMs, () => {
      if (this.run === run) go();
    });
    this.pauseMs = Math.min(2 * this.pauseMs, longestPauseMs);
  }

  private end(): void {
    const { run } = this;
    if (run === undefined) return;
    run.controller.abort();
    this.run = undefined;
    this.ending = this.settle(run).then(() => {
      this.ending = undefined;
      this.options.onChange();
      this.wantLease();
    });
  }

  private async settle(run: Run): Promise<void> {
    const { after, confirmed, onFailed } = this.options;
    const ended = run.settled.then(confirmed).then(() => true);
    const isSettled = await Promise.race([ended, new Promise<boolean>((resolve) => after(patienceMs, () => resolve(false)))]);
    if (!isSettled) onFailed(this.task, new Error(`it has not settled ${patienceMs / 1000} s after its signal aborted`));
    await this.lease.giveUp();
  }
}

function overOf({ name, file }: TaskToRun): CodedError {
  return new CodedError("task.over", `the task ${name} of ${file} is over here: its signal has aborted, and another worker may run it`);
}

// Runs what may have killed workers with nothing beside it, whichever gateway has sent it: so nobody is blamed for what another
// one did. A suspect waits until nothing is under way, its gateway is told that it begins, and until it is done everything else
// waits. Pure; what turns and NATS do is handed in.

import type { Mailbox } from "./mailbox.ts";

export interface ExclusiveRunnerOptions {
  /** Whether anything is under way, or the mailbox could not commit. */
  readonly isBusy: (mailbox: Mailbox) => boolean;
  /** Tells the mailbox's gateway that its event begins. Resolves when that is out of this process' hands. */
  readonly tell: (mailbox: Mailbox) => Promise<void>;
  /** Runs what the mailbox has, as far as `mayRun` lets it. */
  readonly run: (mailbox: Mailbox) => void;
}

export class ExclusiveRunner {
  private readonly options: ExclusiveRunnerOptions;
  /** Each has one event, which is to run alone; the first to come is the first to run. */
  private readonly suspects = new Set<Mailbox>();
  /** What waits for the suspects. */
  private readonly held = new Set<Mailbox>();
  private actions: Array<() => void> = [];
  /** The suspect whose turn it is. */
  private current: Mailbox | undefined;
  private phase: "told" | "begins" | "begun" = "told";

  constructor(options: ExclusiveRunnerOptions) {
    this.options = options;
  }

  /** How many actions wait. */
  get waiting(): number {
    return this.actions.length;
  }

  /** The mailbox has got an event that is to run alone. */
  add(mailbox: Mailbox): void {
    this.suspects.add(mailbox);
  }

  /** @returns whether the mailbox's next event may begin; where not, it is run again when it may. */
  mayRun(mailbox: Mailbox): boolean {
    if (this.suspects.size === 0) return true;
    if (mailbox === this.current && this.phase === "begins") {
      this.phase = "begun";
      return true;
    }
    if (!this.suspects.has(mailbox)) this.held.add(mailbox);
    return false;
  }

  /** Does it at once, or when no suspect keeps it from it any more. */
  do(action: () => void): void {
    if (this.suspects.size === 0) action();
    else this.actions.push(action);
  }

  /** To be called when something has ended, and now and then. */
  step(): void {
    if (this.suspects.size === 0) return;
    const { current } = this;
    if (current !== undefined) {
      const isDone = this.phase === "begun" && !current.isRunning;
      if (!isDone && !current.isGone) return;
      this.current = undefined;
      this.suspects.delete(current);
    }
    for (const suspect of this.suspects) if (suspect.isGone) this.suspects.delete(suspect);
    const [next] = this.suspects;
    if (next === undefined) this.release();
    else if (!this.options.isBusy(next)) this.begin(next);
  }

  private begin(mailbox: Mailbox): void {
    this.current = mailbox;
    this.phase = "told";
    this.options.tell(mailbox).then(
      () => {
        if (this.current !== mailbox) return;
        this.phase = "begins";
        this.options.run(mailbox);
        // Its hook waited for nothing, so it is done, and the next one may have been told of.
        if (this.current !== mailbox) return;
        // Where it could not begin, its link has lost its credit meanwhile: told again with one of the next steps.
        if (this.phase === "begins" && mailbox.waiting > 0) {
          this.current = undefined;
          return;
        }
        // Its event may have been given back meanwhile: then it is done, too.
        this.phase = "begun";
        this.step();
      },
      // NATS is gone: told again with one of the next steps.
      () => {
        if (this.current === mailbox) this.current = undefined;
      },
    );
  }

  private release(): void {
    const mailboxes = [...this.held];
    const actions = this.actions;
    this.held.clear();
    this.actions = [];
    for (const mailbox of mailboxes) this.options.run(mailbox);
    for (const action of actions) action();
  }
}

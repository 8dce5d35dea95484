// What one turn makes of its connection's topics: kept apart until it commits, so that a turn that throws has changed nothing.
// Nothing is copied for a change: a turn that subscribes to a thousand topics takes a thousand steps. Pure.

export class TurnTopics {
  /** The connection's, as of the last commit. */
  private readonly committed: Set<string>;
  private readonly added = new Set<string>();
  private readonly removed = new Set<string>();
  private shown: ReadonlySet<string> | undefined;

  /** @param committed is changed by `commit` alone. */
  constructor(committed: Set<string>) {
    this.committed = committed;
  }

  get size(): number {
    return this.committed.size - this.removed.size + this.added.size;
  }

  /** All of them, as they are now: a set that does not change later. The same one until something changes. */
  get all(): ReadonlySet<string> {
    if (this.shown === undefined) {
      const all = new Set(this.committed);
      for (const topic of this.removed) all.delete(topic);
      for (const topic of this.added) all.add(topic);
      this.shown = all;
    }
    return this.shown;
  }

  has(topic: string): boolean {
    return this.added.has(topic) || (this.committed.has(topic) && !this.removed.has(topic));
  }

  add(topic: string): void {
    this.shown = undefined;
    if (!this.removed.delete(topic) && !this.committed.has(topic)) this.added.add(topic);
  }

  delete(topic: string): void {
    this.shown = undefined;
    if (!this.added.delete(topic) && this.committed.has(topic)) this.removed.add(topic);
  }

  /** The connection has these from now on. */
  commit(): void {
    for (const topic of this.removed) this.committed.delete(topic);
    for (const topic of this.added) this.committed.add(topic);
    this.removed.clear();
    this.added.clear();
  }
}

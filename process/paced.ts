// So much at a time, however much there is to do. Pure.

export class Paced<Item> {
  private readonly most: number;
  private readonly work: (item: Item) => Promise<void>;
  private readonly running = new Set<Item>();
  /** Those that run are worked on once more. */
  private readonly waiting = new Set<Item>();

  /** @param work must not reject. It never runs twice at a time for one item. */
  constructor(most: number, work: (item: Item) => Promise<void>) {
    this.most = most;
    this.work = work;
  }

  /** The item is worked on from its beginning, now or later. */
  begin(item: Item): void {
    if (this.running.has(item) || this.running.size >= this.most) this.waiting.add(item);
    else this.run(item);
  }

  private run(item: Item): void {
    this.running.add(item);
    void this.work(item).finally(() => {
      this.running.delete(item);
      const next = this.next();
      if (next === undefined) return;
      this.waiting.delete(next);
      this.run(next);
    });
  }

  /** Not by a copy of all that wait: they may be a hundred thousand. No more of them than run can be in its way. */
  private next(): Item | undefined {
    for (const item of this.waiting) if (!this.running.has(item)) return item;
    return undefined;
  }
}

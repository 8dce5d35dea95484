// Checks that numbers arrive once each and in order. Pure.

export class Sequence {
  doubled = 0;
  reordered = 0;
  private next: number;
  private readonly missing = new Set<number>();

  /** @param first What should come first. */
  constructor(first: number) {
    this.next = first;
  }

  /** The highest number that has come. */
  get last(): number {
    return this.next - 1;
  }

  take(number: number): void {
    if (number < this.next) {
      if (this.missing.delete(number)) this.reordered++;
      else this.doubled++;
      return;
    }
    for (let skipped = this.next; skipped < number; skipped++) this.missing.add(skipped);
    this.next = number + 1;
  }

  /** @param last The last one that should have come; without it only gaps count. */
  lost(last = this.last): number {
    return this.missing.size + Math.max(0, last - this.last);
  }
}

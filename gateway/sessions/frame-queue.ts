// What waits for a client that speaks HTTP, in order. Pure.

export interface Frame {
  readonly data: Uint8Array;
  readonly isBinary: boolean;
}

/** Memory that a frame takes besides its bytes, so that many small ones are bounded, too. */
const frameBytes = 64;

export class FrameQueue {
  bytes = 0;
  private frames: Frame[] = [];
  /** Of `frames`: where the first one is that waits. */
  private first = 0;

  get size(): number {
    return this.frames.length - this.first;
  }

  /** @param index from 0, the one that has waited longest. */
  at(index: number): Frame | undefined {
    return this.frames[this.first + index];
  }

  push(frame: Frame): void {
    this.frames.push(frame);
    this.bytes += frame.data.length + frameBytes;
  }

  /** So many have been given to the client. */
  drop(count: number): void {
    for (let index = 0; index < count; index++) this.bytes -= (this.at(index)?.data.length ?? 0) + frameBytes;
    this.first += count;
    // Whatever was given is let go, at a cost that does not grow with what waits.
    if (this.first * 2 < this.frames.length) return;
    this.frames = this.frames.slice(this.first);
    this.first = 0;
  }

  clear(): void {
    this.frames = [];
    this.first = 0;
    this.bytes = 0;
  }
}

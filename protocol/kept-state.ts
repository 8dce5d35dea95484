// What is kept of a connection's state: what was set last, and what that replaced when the release changed. A rollback brings
// back a release that may not understand what the one after it has stored: it then finds what it had before. Pure.

export interface EarlierState {
  /** The one that had set it; before any has, the one that was given the connection first. */
  readonly release: string;
  /** msgpack; undefined: none. */
  readonly state: Uint8Array | undefined;
  /** What replaced it had another shape: a `migrate` had made it fit. */
  readonly isMigrated: boolean;
}

/** Of the releases that went on with a state which they did not set, the last ones: as many as a rollback may find, and the active one. */
const keptReleases = 5;
const none: readonly string[] = [];

export class KeptState {
  /** msgpack, as the handler set it; undefined: none. */
  current: Uint8Array | undefined;
  /** One at most: what the current one has replaced. */
  earlier: EarlierState | undefined;
  /** The release that set the current one, as in EarlierState, and those that had the connection with it besides. */
  private release = "";
  private others = none;
  /** Those that had it with the earlier one, besides the release that had set that. */
  private earlierOthers = none;
  /** A rollback has brought the current one back, and `earlier` is of the release that was taken back. */
  private isBack = false;

  constructor(initial: Uint8Array | undefined) {
    this.current = initial;
  }

  /**
   * A worker of this release gets the connection. Where a `migrate` had replaced what the release had, that is current again: what
   * the other one has stored would fit that one alone.
   * @returns as `leftBy`, where it is not current.
   */
  givenTo(release: string): EarlierState | undefined {
    if (this.release === "") this.release = release;
    const left = this.leftBy(release);
    if (left?.isMigrated) {
      this.bringBack(left);
      return undefined;
    }
    this.others = this.othersWith(release);
    return left;
  }

  /** @returns what this release had before another one replaced it. */
  leftBy(release: string): EarlierState | undefined {
    if (release === this.release) return undefined;
    return this.earlier?.release === release || this.earlierOthers.includes(release) ? this.earlier : undefined;
  }

  /**
   * @param state its own bytes: they stay for as long as the connection.
   * @param isMigrated that release's `migrate` had to make what was stored until now fit.
   */
  set(state: Uint8Array | undefined, release: string, isMigrated: boolean): void {
    if (release !== this.release) {
      this.earlier = { release: this.release, state: this.current, isMigrated };
      this.earlierOthers = this.others;
    } else if (this.isBack && this.earlier !== undefined) this.earlier = { ...this.earlier, isMigrated };
    this.isBack = false;
    this.release = release;
    this.others = none;
    this.current = state;
  }

  // Those behind a release that is there again were taken back.
  private othersWith(release: string): readonly string[] {
    const { others } = this;
    if (release === this.release) return none;
    const index = others.indexOf(release);
    if (index >= 0) return index === others.length - 1 ? others : others.slice(0, index + 1);
    return [...others, release].slice(-keptReleases);
  }

  private bringBack(left: EarlierState): void {
    const { current, release, others } = this;
    this.current = left.state;
    this.release = left.release;
    this.others = this.earlierOthers;
    this.earlier = { release, state: current, isMigrated: true };
    this.earlierOthers = others;
    this.isBack = true;
  }
}

// What is kept of a connection's state: what was set last, and what that replaced when the release changed. A rollback brings
// back a release that may not understand what the one after it has stored: it then finds what it had left itself. Pure.

export interface EarlierState {
  readonly release: string;
  /** msgpack; undefined: none. */
  readonly state: Uint8Array | undefined;
  /** What replaced it had another shape: a `migrate` had made it fit. */
  readonly isMigrated: boolean;
}

export class KeptState {
  /** msgpack, as the handler set it; undefined: none. */
  current: Uint8Array | undefined;
  /** Of one release at most: the one that had the state last before that which set it. */
  earlier: EarlierState | undefined;
  /** The release that set it; before any has, the one that was given the connection first. */
  private release = "";

  constructor(initial: Uint8Array | undefined) {
    this.current = initial;
  }

  /** A worker of this release gets the connection. @returns as `leftBy`. */
  givenTo(release: string): EarlierState | undefined {
    if (this.release === "") this.release = release;
    return this.leftBy(release);
  }

  /** @returns what this release had left, if another one has replaced it. */
  leftBy(release: string): EarlierState | undefined {
    return this.earlier?.release === release ? this.earlier : undefined;
  }

  /**
   * @param state its own bytes: they stay for as long as the connection.
   * @param isMigrated that release's `migrate` had to make what was stored until now fit.
   */
  set(state: Uint8Array | undefined, release: string, isMigrated: boolean): void {
    if (release !== this.release) this.earlier = { release: this.release, state: this.current, isMigrated };
    this.release = release;
    this.current = state;
  }
}

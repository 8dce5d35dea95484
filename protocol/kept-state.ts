// What is kept of a connection's state: what was set last, and what the releases before had. A rollback brings back a release
// that may not understand what the ones after it have stored: it then finds what it had before. Pure.

interface EarlierState {
  /** The one that had set it; before any has, the one that was given the connection first. */
  readonly release: string;
  /** Those that have gone on with it, and did not set it. */
  readonly others: readonly string[];
  /** msgpack; undefined: none. */
  readonly state: Uint8Array | undefined;
  /** What replaced it had another shape: a `migrate` had made it fit. */
  readonly isMigrated: boolean;
}

/** What a release goes on with. */
export interface FoundState {
  /** msgpack; undefined: none. */
  readonly state: Uint8Array | undefined;
  /** What that release had left itself, where another one has replaced it without a `migrate`: for where `state` does not fit. */
  readonly own: { readonly state?: Uint8Array | undefined } | undefined;
}

/** As many releases as a rollback may find, and the active one. */
const keptReleases = 5;
const none: readonly string[] = [];
const noStates: readonly EarlierState[] = [];

export class KeptState {
  /** msgpack, as the handler set it; undefined: none. */
  current: Uint8Array | undefined;
  /** The release that set the current one, and the others that have gone on with it, as in EarlierState. */
  private release = "";
  private others = none;
  /** Of the releases below, the oldest first: each replaced by the next, the last by the current one. */
  private earlier = noStates;
  /** Of the release above, where a rollback has brought the current one back. Where no turn has set that since, as if migrated. */
  private takenBack: EarlierState | undefined;
  /** A rollback has brought the current one back, and no turn has set it since. */
  private isBack = false;

  constructor(initial: Uint8Array | undefined) {
    this.current = initial;
  }

  /** A worker of this release gets the connection: what it finds is current from now on. */
  givenTo(release: string): FoundState {
    if (this.release === "") this.release = release;
    const { back, own } = this.search(release);
    if (back !== undefined) this.bringBack(back);
    this.others = this.othersWith(release);
    return { state: this.current, own };
  }

  /** What a worker of this release would find: the newest state, but for what a `migrate` has put in the place of what it had. */
  foundBy(release: string): FoundState {
    const { back, own } = this.search(release);
    return { state: back === undefined ? this.current : back.state, own };
  }

  /**
   * @param state its own bytes: they stay for as long as the connection.
   * @param isMigrated that release's `migrate` had to make what was stored until now fit.
   */
  set(state: Uint8Array | undefined, release: string, isMigrated: boolean): void {
    if (release !== this.release) this.replace(release, isMigrated);
    else if (this.isBack && this.takenBack !== undefined) this.takenBack = { ...this.takenBack, isMigrated };
    this.isBack = false;
    this.release = release;
    this.others = none;
    this.current = state;
  }

  private now(isMigrated: boolean): EarlierState {
    return { release: this.release, others: this.others, state: this.current, isMigrated };
  }

  private search(release: string): { back?: EarlierState; own?: EarlierState } {
    const { takenBack, earlier } = this;
    if (release === this.release) return {};
    if (takenBack !== undefined && hasHad(takenBack, release)) return takenBack.isMigrated ? { back: takenBack } : { own: takenBack };
    const index = earlier.findLastIndex((state) => hasHad(state, release));
    const own = earlier[index];
    if (own === undefined) return {};
    const back = earlier.slice(index).find(({ isMigrated }) => isMigrated);
    return { ...(back && { back }), ...(back !== own && { own }) };
  }

  private bringBack(state: EarlierState): void {
    const now = this.now(true);
    const index = this.earlier.indexOf(state);
    this.takenBack = index < 0 ? undefined : now;
    this.isBack = index >= 0;
    this.earlier = index < 0 ? [...this.earlier, now].slice(1 - keptReleases) : this.earlier.slice(0, index);
    this.release = state.release;
    this.others = state.others;
    this.current = state.state;
  }

  // A release that sets the state again was brought back, and the one that had replaced its state was taken back.
  private replace(release: string, isMigrated: boolean): void {
    const index = this.earlier.findLastIndex((state) => hasHad(state, release));
    const own = this.earlier[index];
    const below = this.earlier.slice(0, Math.max(0, index));
    this.takenBack = own && this.now(isMigrated);
    if (own === undefined) this.earlier = [...this.earlier, this.now(isMigrated)].slice(1 - keptReleases);
    else this.earlier = own.release === release ? below : [...below, { ...own, isMigrated }];
  }

  // Those behind a release that is there again were taken back.
  private othersWith(release: string): readonly string[] {
    const { others } = this;
    if (release === this.release) return none;
    const index = others.indexOf(release);
    if (index >= 0) return index === others.length - 1 ? others : others.slice(0, index + 1);
    return [...others, release].slice(-keptReleases);
  }
}

function hasHad(state: EarlierState, release: string): boolean {
  return state.release === release || state.others.includes(release);
}

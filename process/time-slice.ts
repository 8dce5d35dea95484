// Work on many connections, cut into slices, so that the event loop looks at everything else in between. Pure.

/** How long one slice may hold up the event loop. */
export const sliceMs = 5;

/**
 * Goes on with what is under way until it ends or its time is up.
 * @param work Each step takes far less than a slice.
 * @returns whether it has ended.
 */
export function runSlice(work: Iterator<unknown>, now: () => number, until: number): boolean {
  do {
    if (work.next().done) return true;
  } while (now() < until);
  return false;
}

export interface Slices {
  readonly now: () => number;
  /** Runs the next slice, once the event loop has looked at everything else. */
  readonly later: (run: () => void) => void;
  /** How long one slice may hold up the event loop. Missing: `sliceMs`. */
  readonly sliceMs?: number;
}

/**
 * Runs work to its end, the first slice before this returns. Work that throws is over.
 * @returns ends it: no further slice runs.
 */
export function runSlices(work: Iterator<unknown>, { now, later, sliceMs: ms = sliceMs }: Slices): () => void {
  let isEnded = false;
  const next = () => {
    if (!isEnded && !runSlice(work, now, now() + ms)) later(next);
  };
  next();
  return () => {
    isEnded = true;
  };
}

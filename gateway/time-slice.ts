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

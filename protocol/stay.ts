// How long a connection is left with its worker at a turn's request: gateway and worker count it each for itself. See `conn.stay`.

/** A turn may ask for no more, and no connection holds up a deploy for longer. */
export const longestStayMs = 10_000;
/** A worker that drains is not held up for longer: its DRAIN_MS is 8 s by default, of which its last turns need some. */
export const drainStayMs = 5_000;

// How long requests for sessions of other gateways wait for what, in milliseconds: both sides rely on them.

/** A question that nobody has answered is asked again after so long. */
export const repeatMs = 1_000;
/** One that is known to wait is asked again after so long. */
export const restMs = 5_000;
/** What was not acknowledged is said again. */
export const againMs = 500;
/** Whoever is silent for longer is gone. */
export const silentMs = 4 * restMs;
/** A delivery is asked for no longer than this, however long NATS is away; and remembered for longer, so that it is not done twice. */
export const deliverMs = 60_000;
export const rememberMs = deliverMs + silentMs;
/** After a standstill, what was said meanwhile is read within so long. */
export const readMs = 1_000;
/** After a fault, NATS says for a while that nobody listens who is only late. */
export const settleMs = 5_000;

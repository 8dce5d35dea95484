// How long tests, chaos and bench wait for what has to come. A machine that is only busy gets there sooner: with twenty
// programs beside it on two cores, what takes a second otherwise takes ten or twenty. What is reached hangs.

export const patienceMs = 180_000;

/** Of a whole test, which waits for several things. */
export const testPatienceMs = 5 * patienceMs;

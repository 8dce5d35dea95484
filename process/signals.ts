// Signals that ask a command to end: Ctrl-C, a closed terminal, a polite kill.

/** Of one Ctrl-C, the terminal sends a signal to the whole process group, and npm, which is in it, passes its own on: some ms apart, more on a busy machine. */
const sameWithinMs = 1_000;

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface SignalsOptions {
  /** In milliseconds, of a clock that does not jump. */
  readonly now?: () => number;
}

/**
 * Has a command end by itself when it is asked to. What comes within a second of a signal is the same one.
 * @param onSignal `isRepeated`: somebody has asked before, and does not want to wait any longer.
 * @returns takes it back.
 */
export function onSignals(
  onSignal: (signal: NodeJS.Signals, isRepeated: boolean) => void,
  { now = () => performance.now() }: SignalsOptions = {},
): () => void {
  let takenAtMs: number | undefined;
  const take = (signal: NodeJS.Signals) => {
    const isRepeated = takenAtMs !== undefined;
    if (takenAtMs !== undefined && now() - takenAtMs < sameWithinMs) return;
    takenAtMs = now();
    onSignal(signal, isRepeated);
  };
  for (const signal of signals) process.on(signal, take);
  return () => {
    for (const signal of signals) process.off(signal, take);
  };
}

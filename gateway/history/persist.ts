// Asks a store again until it answers, also through a restart of NATS.

import { CodedError, isCodedError } from "../../protocol/errors.ts";

export interface Patience {
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => void;
  /** To NATS. */
  readonly isConnected: () => boolean;
}

const retryMs = 100;
/** So often, while NATS is there; each may take 5 s. */
const attempts = 12;
/** A store that says that there is none may just have been started. */
const surelyMs = 2_000;

/**
 * Runs an action until it succeeds, or nobody wants it.
 * @param action is told for how long it has been tried, in milliseconds.
 * @throws {CodedError} "history.unavailable", "history.tooMany"
 */
export async function persist(
  { now, after, isConnected }: Patience,
  action: (triedMs: number) => Promise<void>,
  isWanted: () => boolean = () => true,
): Promise<void> {
  const begun = now();
  for (let failures = 0; isWanted(); ) {
    try {
      return await action(now() - begun);
    } catch (error) {
      if (isConnected()) failures++;
      if (isCodedError(error) && (error.code !== "history.unavailable" || now() - begun >= surelyMs)) throw error;
      if (failures >= attempts) throw new CodedError("history.unavailable", (error as Error).message, { cause: error });
      await new Promise<void>((resolve) => after(retryMs, resolve));
    }
  }
}

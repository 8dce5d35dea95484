// What the store that workers share has of a task: who runs it.

import * as v from "valibot";

const leaseValue = v.object({
  /** A worker's id. Empty: nobody has it, and it may be taken at once. */
  holder: v.string(),
  /** How often it has been taken, above what it was in any store before. */
  fence: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Grows with each put of this holder, stored or not: no two of them are alike. */
  beat: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});

export type LeaseValue = Readonly<v.InferOutput<typeof leaseValue>>;

/** @returns undefined where it is none. */
export function parseLease(json: unknown): LeaseValue | undefined {
  const parsed = v.safeParse(leaseValue, json);
  return parsed.success ? parsed.output : undefined;
}

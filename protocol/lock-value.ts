// What the store that gateways share has of a lock: who has it, and who waits for it. The next one in line is put in front by whoever
// takes the first one out, so that a lock is never free while somebody waits for it, and nobody is passed over. Pure.

import * as v from "valibot";
import { CodedError } from "./errors.ts";

/** Of a lock's name, bytes of UTF-8. */
export const lockNameBytes = 128;
/** So many may wait for one lock. */
export const mostWaiting = 256;
/** Of one entry: a line of that many, each with an id of 64 characters at most. */
export const lockValueBytes = 24 * 1024;

const lockValue = v.object({
  /** Ids of connections: the first one has it, the others wait, the one that came first in front. Never empty. */
  line: v.pipe(v.array(v.pipe(v.string(), v.nonEmpty(), v.maxLength(64))), v.minLength(1), v.maxLength(mostWaiting + 1)),
  /** The number that its holder got with it; 0: it got it with this entry, whose revision tells. */
  fence: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});

export type LockValue = Readonly<v.InferOutput<typeof lockValue>>;

/** @returns undefined where it is none. */
export function parseLock(json: unknown): LockValue | undefined {
  const parsed = v.safeParse(lockValue, json);
  return parsed.success ? parsed.output : undefined;
}

/** Somebody who would have a lock, or would have it no more. */
export interface LockClaim {
  readonly connection: string;
  /** over: it is taken out of the line. */
  readonly wants: "now" | "line" | "over";
  /** It has given up the place that it still has in the line, and comes last. */
  readonly isAgain?: boolean;
}

/**
 * What a lock becomes with these claims, each of them in the order in which it came.
 * @param fence The number that the holder of `value` has.
 * @returns undefined: nobody has it.
 */
export function nextLine(value: LockValue | undefined, fence: number, claims: Iterable<LockClaim>): LockValue | undefined {
  const line = value === undefined ? [] : [...value.line];
  let isRenewed = false;
  for (const { connection, wants, isAgain = false } of claims) {
    const place = line.indexOf(connection);
    const isOut = wants === "over" || isAgain;
    if (isOut && place >= 0) line.splice(place, 1);
    if (isOut && place === 0) isRenewed = true;
    if (wants !== "over" && (isOut || place < 0) && (line.length === 0 || (wants === "line" && line.length <= mostWaiting)))
      line.push(connection);
  }
  const [holder] = line;
  if (holder === undefined) return undefined;
  return { line, fence: holder === value?.line[0] && !isRenewed ? fence : 0 };
}

export function isSameLine(a: LockValue | undefined, b: LockValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.line.length === b.line.length && a.line.every((connection, index) => connection === b.line[index]);
}

/** @throws {CodedError} "lock.invalid" */
export function checkLockName(name: unknown): void {
  if (typeof name === "string" && name !== "" && Buffer.byteLength(name) <= lockNameBytes && name.isWellFormed()) return;
  throw new CodedError("lock.invalid", `a lock's name is text of 1 to ${lockNameBytes} bytes`);
}

/** @param turnMs What a turn may take. @throws {CodedError} "lock.invalid" */
export function checkLockWait(waitMs: unknown, turnMs: number): void {
  if (Number.isInteger(waitMs) && (waitMs as number) >= 0 && (waitMs as number) < turnMs) return;
  const text = `waitMs is a whole number of milliseconds from 0 to below ${turnMs} (TURN_TIMEOUT_MS), not ${String(waitMs)}`;
  throw new CodedError("lock.invalid", text);
}

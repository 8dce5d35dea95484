// Why a gateway could not do what it was asked for outside of turns: a code that the caller is to see, and a text.

import * as v from "valibot";
import { type ErrorCode, isCodedError } from "./errors.ts";

const failures = [
  "history.unavailable",
  "history.tooMany",
  "history.total",
  "store.unavailable",
  "lock.tooMany",
  "lock.total",
  "lock.crowded",
] as const satisfies readonly ErrorCode[];

export type FailureCode = (typeof failures)[number];

export const failedSchema = v.object({ failed: v.picklist(failures), text: v.string() });

export type FailedBody = v.InferOutput<typeof failedSchema>;

/** @param otherwise The code of an error that has none of these. */
export function failedBody(error: unknown, otherwise: FailureCode): FailedBody {
  const failed = failures.find((code) => isCodedError(error, code));
  if (failed !== undefined) return { failed, text: (error as Error).message.slice(`${failed}: `.length) };
  return { failed: otherwise, text: error instanceof Error ? error.message : String(error) };
}

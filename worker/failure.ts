// What a hook threw, as onError hears of it.

import { CodedError, isCodedError } from "../protocol/errors.ts";
import { isError, valueText } from "../protocol/thrown.ts";
import type { HandlerError } from "./handler.ts";

/** One of our errors stays what it is; anything else becomes "handler.thrown" with its own message, and itself as the cause. */
export function handlerErrorOf(thrown: unknown): HandlerError {
  if (isCodedError(thrown)) return thrown;
  const text = isError(thrown) ? thrown.message : typeof thrown === "string" ? thrown : valueText(thrown);
  return new CodedError("handler.thrown", text, { cause: thrown });
}

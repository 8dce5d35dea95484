// Whatever code may throw, as text: an error with its stack and its causes, anything else as the value that it is.

import { inspect } from "node:util";

/** Of causes within causes, and of an AggregateError's errors. */
const deepest = 5;
const mostErrors = 10;
/** Of an error's message: some quote what a client has sent. */
const mostCharacters = 4_000;
const valueLimits = { depth: 3, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 1_000, maxArrayLength: 20 };

/** What a log record has of something thrown. */
export interface ThrownRecord {
  readonly type: string;
  readonly message: string;
  /** Of an error its stack, with those of its causes below it. */
  readonly stack: string;
  /** An error's own properties: `code`, for one. */
  readonly [property: string]: unknown;
}

export function thrownRecord(thrown: unknown): ThrownRecord {
  if (!isError(thrown)) return { type: typeof thrown, message: thrownText(thrown), stack: thrownText(thrown) };
  return { ...propertiesOf(thrown), type: thrown.constructor?.name ?? thrown.name, message: messageOf(thrown), stack: thrownText(thrown) };
}

/** For people, of many lines: each error's stack, and `caused by: ` or `one of 2 errors: ` before those below it. */
export function thrownText(thrown: unknown): string {
  return textOf(thrown, stackOf, "\n", deepest);
}

/** The same without stacks, in one line where the messages have no more. */
export function thrownMessage(thrown: unknown): string {
  return textOf(thrown, (error) => (error.name === "Error" ? messageOf(error) : `${error.name}: ${messageOf(error)}`), "; ", deepest);
}

/** A value as source code would have it, where it has such a form. Never throws. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, valueLimits.maxStringLength));
  try {
    return inspect(value, valueLimits);
  } catch {
    // Its own inspection throws.
    return `a value of type ${typeof value}`;
  }
}

/** Also of another realm: one that a vm context has thrown. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

function messageOf({ message }: Error): string {
  // Anybody may have set it to something else.
  const text = String(message);
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text;
}

function stackOf(error: Error): string {
  const { stack, name } = error;
  if (!stack) return `${name}: ${messageOf(error)}`;
  const message = String(error.message);
  return message.length > mostCharacters ? stack.replace(message, () => messageOf(error)) : stack;
}

function textOf(thrown: unknown, own: (error: Error) => string, separator: string, depth: number): string {
  if (!isError(thrown)) return `threw ${valueText(thrown)}`;
  const below = (text: string, value: unknown) => {
    const told = isError(value) ? textOf(value, own, separator, depth - 1) : valueText(value);
    return `${separator}${text}: ${told}`;
  };
  if (depth === 0) return own(thrown);
  const { errors } = thrown as { errors?: unknown };
  const parts = Array.isArray(errors) ? errors.slice(0, mostErrors).map((error) => below(`one of ${errors.length} errors`, error)) : [];
  const cause = thrown.cause === undefined ? "" : below("caused by", thrown.cause);
  return [own(thrown), cause, ...parts].join("");
}

function propertiesOf(error: Error): Record<string, unknown> {
  try {
    const { cause: _cause, errors: _errors, ...properties } = { ...error } as Record<string, unknown>;
    return properties;
  } catch {
    // A getter throws.
    return {};
  }
}

// What a call has for clients: a value, text or bytes in JSON, or raw bytes as its body. Pure.

import { isUtf8 } from "node:buffer";
import * as v from "valibot";
import { CodedError } from "../../protocol/errors.ts";
import { ApiError, isApiCode } from "./api-error.ts";

/** One frame. */
export interface Payload {
  readonly data: Uint8Array;
  readonly isBinary: boolean;
}

/**
 * Base64 of RFC 4648, section 4, with its padding; `parsePayload` looks at its length. A pattern that counts in fours would run out of stack
 * from 5 MiB on.
 */
const base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]*={0,2}$/, "base64 with padding"));

/** Of an object in JSON. Exactly one of them is given: see `parsePayload`. */
export const payloadEntries = {
  data: v.optional(v.pipe(v.unknown(), v.description("Any value: clients get a text frame with its JSON"))),
  text: v.optional(v.pipe(v.string(), v.description("Clients get a text frame with this text"))),
  base64: v.optional(v.pipe(base64, v.description("Clients get a binary frame with these bytes"))),
};

const payloadNames = ["data", "text", "base64"] as const;

/**
 * @param where "messages.3": for the error; empty: it is the whole body.
 * @throws {ApiError} "api.invalid"
 */
export function parsePayload(body: { data?: unknown; text?: string | undefined; base64?: string | undefined }, where = ""): Payload {
  const given = payloadNames.filter((name) => body[name] !== undefined);
  if (given.length !== 1) {
    const told = given.length === 0 ? "none" : given.join(" and ");
    throw new ApiError("api.invalid", `${where === "" ? "" : `${where}: `}exactly one of data, text and base64 is given, not ${told}`);
  }
  if (body.base64 !== undefined && body.base64.length % 4 !== 0) {
    throw new ApiError("api.invalid", `${where === "" ? "" : `${where}.`}base64: base64 with padding`);
  }
  if (body.base64 !== undefined) return { data: Buffer.from(body.base64, "base64"), isBinary: true };
  return { data: Buffer.from(body.text ?? JSON.stringify(body.data)), isBinary: false };
}

/** @throws {ApiError} "api.invalid" where text is not UTF-8, which would close its receivers' connections. */
export function rawPayload(data: Uint8Array, isBinary: boolean): Payload {
  if (!isBinary && !isUtf8(data)) throw new ApiError("api.invalid", "text/plain is UTF-8: send other bytes as application/octet-stream");
  return { data, isBinary };
}

/** @param limitBytes MESSAGE_BYTES. @throws {ApiError} "message.tooLarge" */
export function checkPayload({ data }: Payload, limitBytes: number): void {
  if (data.length <= limitBytes) return;
  throw new ApiError("message.tooLarge", `a message has at most ${limitBytes} bytes (MESSAGE_BYTES), this one has ${data.length}`);
}

/** @throws {ApiError} "api.invalid" with the place of the first mistake. */
export function parseJson<Schema extends v.GenericSchema>(schema: Schema, body: Uint8Array): v.InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new ApiError("api.invalid", "the body is not JSON in UTF-8");
  }
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  throw new ApiError("api.invalid", path === null ? issue.message : `${path}: ${issue.message}`);
}

/** Has what handlers are told as well, told to a program. @throws {ApiError} of the same code. */
export function refuseCoded(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof CodedError) || !isApiCode(error.code)) throw error;
    throw new ApiError(error.code, error.message.slice(error.code.length + 2));
  }
}

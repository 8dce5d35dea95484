// What a handler's Response becomes on its way to the gateway: one record, or a head and the body behind it.

import { CodedError } from "../protocol/errors.ts";
import { packValue } from "../protocol/msgpack.ts";
import { responseChunkBytes, toGateway, type UpgradedBody } from "../protocol/records.ts";
import type { AnswerBody } from "../protocol/session.ts";
import { type ReadAhead, readAhead } from "./body-read-ahead.ts";

/** A Response's status and headers: with a body of as much as one record has, they fit into any message of NATS. */
const headBytes = 64 * 1024;
/** The body of a Response that goes in one piece. */
const refusalBytes = 64 * 1024;

/** The record that answers a request, and the body that follows it. */
export interface Reply {
  readonly type: number;
  readonly bytes: Uint8Array;
  /** Where the body follows: what was read of it. */
  readonly ahead?: ReadAhead;
  /** The whole body's, where it is known. */
  readonly length?: number | undefined;
}

/**
 * A small body goes with its head; a larger one, or a stream that has more to come, behind it.
 * @throws {CodedError} "response.tooLarge", and what reading the body throws.
 */
export async function replyOf(response: Response, isHead: boolean): Promise<Reply> {
  const ahead = await readAhead(response, responseChunkBytes);
  try {
    return replyWith(response, ahead, isHead);
  } catch (error) {
    // Else its source, an open file say, would wait for ever to be read.
    ahead.rest?.cancel(error);
    throw error;
  }
}

function replyWith(response: Response, ahead: ReadAhead, isHead: boolean): Reply {
  const { status } = response;
  const headers = [...response.headers];
  const given = lengthOf(response.headers);
  const length = ahead.rest === undefined ? ahead.bytes : given;
  if (isHead) {
    ahead.rest?.cancel(undefined);
    // An empty body may be what HEAD has instead of the one that GET has, whose length nobody knows.
    return { type: toGateway.responding, bytes: checkHead(packValue({ status, headers, length: given ?? (length || undefined) })) };
  }
  if (ahead.rest !== undefined || ahead.bytes > responseChunkBytes) {
    return { type: toGateway.responding, bytes: checkHead(packValue({ status, headers, length })), ahead, length };
  }
  const body = joined(ahead.chunks);
  const bytes = packValue({ status, headers, body });
  checkHead(bytes, body.length);
  return { type: toGateway.responded, bytes };
}

/** @throws {CodedError} "response.tooLarge", and what reading the body throws. */
export async function upgradeRefusalOf(response: Response): Promise<UpgradedBody> {
  return { ok: false, ...(await smallAnswerOf(response, "that refuses an upgrade")) };
}

/**
 * A Response that goes in one piece, with others of its kind perhaps.
 * @param which Of the error's text: "that refuses an upgrade". @throws as `upgradeRefusalOf`
 */
export async function smallAnswerOf(response: Response, which: string): Promise<AnswerBody> {
  const ahead = await readAhead(response, refusalBytes);
  const chunks = [...ahead.chunks];
  let { bytes } = ahead;
  while (bytes <= refusalBytes) {
    const chunk = await ahead.rest?.next();
    if (chunk === undefined) break;
    chunks.push(chunk);
    bytes += chunk.length;
  }
  if (bytes > refusalBytes) {
    ahead.rest?.cancel(undefined);
    throw new CodedError("response.tooLarge", `the Response ${which} has a body of more than ${refusalBytes} bytes`);
  }
  const headers = [...response.headers];
  checkHead(packValue(headers));
  return { status: response.status, headers, body: joined(chunks) };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}

/** @throws {CodedError} "response.tooLarge" */
function checkHead(record: Uint8Array, bodyBytes = 0): Uint8Array {
  const bytes = record.length - bodyBytes;
  if (bytes <= headBytes) return record;
  throw new CodedError("response.tooLarge", `a Response's status and headers have ${bytes} bytes, at most ${headBytes} are possible`);
}

// RFC 9110, 8.6.
function lengthOf(headers: Headers): number | undefined {
  const text = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

// How a gateway asks workers for their metrics: workers have no port of their own. Both are messages of their own, on
// subjects of their own: one version byte, a letter, then msgpack.

import * as v from "valibot";
import { protocolVersion } from "../protocol/envelope.ts";
import { CodedError } from "../protocol/errors.ts";
import { packValue, unpackValue } from "../protocol/msgpack.ts";
import { metric } from "./metric.ts";

/** That a worker remembers, and answers with. */
export const mostErrors = 20;
/** In UTF-16 code units. */
export const errorCharacters = 300;
export const stackCharacters = 1_200;

const id = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/));

/** An error that a worker has logged, for people. */
const loggedError = v.object({
  /** Counts the worker's errors from 1. */
  number: v.number(),
  /** Milliseconds since 1970, of its clock. */
  at: v.number(),
  /** What the log's line says: "onMessage was rolled back". */
  text: v.pipe(v.string(), v.maxLength(errorCharacters)),
  /** Of what was thrown. */
  message: v.pipe(v.string(), v.maxLength(errorCharacters)),
  stack: v.pipe(v.string(), v.maxLength(stackCharacters)),
  /** Where in the handlers' code: "worker/handlers/chat.ts:12:7". Missing: not in theirs. */
  place: v.optional(v.pipe(v.string(), v.maxLength(errorCharacters))),
  /** What the line says besides: route, hook, code, connection. */
  about: v.record(v.string(), v.pipe(v.string(), v.maxLength(errorCharacters))),
});

const scrape = v.object({
  /** The gateway that asks. */
  to: id,
  /** Comes back with the answers. */
  number: v.number(),
  /**
   * By worker, the number of its last error that the gateway knows. A worker answers with what it has logged since, and no metrics; with
   * nothing where there is none. Workers of versions that do not know this answer with their metrics.
   */
  errorsAfter: v.optional(v.record(v.string(), v.number())),
});

const scraped = v.object({
  /** The worker that answers. */
  from: id,
  number: v.number(),
  metrics: v.array(metric),
  errors: v.optional(v.pipe(v.array(loggedError), v.maxLength(mostErrors))),
});

export type LoggedError = Readonly<v.InferOutput<typeof loggedError>>;
export type Scrape = v.InferOutput<typeof scrape>;
export type Scraped = v.InferOutput<typeof scraped>;

export function encodeScrape(body: Scrape): Uint8Array {
  return encode(letterOf.scrape, body);
}

export function encodeScraped(body: Scraped): Uint8Array {
  return encode(letterOf.scraped, body);
}

/** @throws {CodedError} "envelope.version" or "envelope.malformed" */
export function parseScrape(bytes: Uint8Array): Scrape {
  return parse(scrape, letterOf.scrape, bytes);
}

/** @throws {CodedError} "envelope.version" or "envelope.malformed" */
export function parseScraped(bytes: Uint8Array): Scraped {
  return parse(scraped, letterOf.scraped, bytes);
}

/** "Q" and "A": question and answer. */
const letterOf = { scrape: 0x51, scraped: 0x41 } as const;

function encode(letter: number, body: unknown): Uint8Array {
  return Buffer.concat([Buffer.from([protocolVersion, letter]), packValue(body)]);
}

function parse<S extends v.GenericSchema>(schema: S, letter: number, bytes: Uint8Array): v.InferOutput<S> {
  if (bytes.length < 3 || bytes[1] !== letter) throw new CodedError("envelope.malformed", "not about metrics");
  if (bytes[0] !== protocolVersion) throw new CodedError("envelope.version", `metrics of version ${bytes[0]}`);
  const parsed = v.safeParse(schema, unpackValue(bytes.subarray(2)));
  if (parsed.success) return parsed.output;
  throw new CodedError("envelope.malformed", `metrics: ${v.getDotPath(parsed.issues[0])}: ${parsed.issues[0].message}`);
}

// How a gateway asks workers for their metrics: workers have no port of their own. Both are messages of their own, on
// subjects of their own.

import * as v from "valibot";
import { messageFormat } from "../protocol/message-format.ts";
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

export const { encode: encodeScrape, parse: parseScrape } = messageFormat("Q", "a question for metrics", scrape);
export const { encode: encodeScraped, parse: parseScraped } = messageFormat("A", "metrics", scraped);

// Answers of calls that named an Idempotency-Key: the same call again is answered as before, and not done again. Kept for some time, the
// latest ones only, by this gateway alone: of a call that all gateways are asked for, each keeps its own part. Pure.
//
// Source: draft-ietf-httpapi-idempotency-key-header. Of a call that is not done at once, a promise is kept: whoever asks again while it is
// under way waits for the same answer.

import { createHash } from "node:crypto";
import type { Once } from "../../protocol/gateway-questions.ts";
import { ApiError } from "./api-error.ts";

const keyLimit = 255;

export interface IdempotentAnswersOptions {
  readonly now: () => number;
  /** Read each time. */
  readonly limits: () => { readonly answers: number; readonly keptMs: number };
}

/** What makes a call the same one. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly mediaType: string;
  readonly body: Uint8Array;
}

interface Kept {
  readonly fingerprint: string;
  readonly answer: unknown;
  readonly until: number;
}

export class IdempotentAnswers {
  private readonly options: IdempotentAnswersOptions;
  /** The oldest first. By the name of the call. */
  private readonly kept = new Map<string, Kept>();

  constructor(options: IdempotentAnswersOptions) {
    this.options = options;
  }

  get size(): number {
    return this.kept.size;
  }

  /**
   * @param run Its answer is kept. Where it throws or rejects, nothing is kept: the call may be done when it is sent again.
   * @throws {ApiError} "api.idempotency" where another call had this name.
   */
  answer<Answer>({ name, fingerprint }: Once, run: () => Answer): Answer {
    const now = this.options.now();
    const before = this.kept.get(name);
    if (before !== undefined && before.until > now) {
      // Calls of one fingerprint are answered by the same code.
      if (before.fingerprint === fingerprint) return before.answer as Answer;
      throw new ApiError("api.idempotency");
    }
    const answer = run();
    const { answers, keptMs } = this.options.limits();
    this.kept.delete(name);
    const kept = { fingerprint, answer, until: now + keptMs };
    this.kept.set(name, kept);
    if (answer instanceof Promise) {
      answer.catch(() => {
        if (this.kept.get(name) === kept) this.kept.delete(name);
      });
    }
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= answers) break;
      this.kept.delete(oldest);
    }
    return answer;
  }

  /** To be called several times a second. */
  sweep(): void {
    const now = this.options.now();
    for (const [name, { until }] of this.kept) {
      if (until > now) break;
      this.kept.delete(name);
    }
  }
}

/**
 * @param owner Whose call it is: the hash of its API key.
 * @param key The value of Idempotency-Key: text, or a string of structured fields (RFC 9651) in quotes.
 * @throws {ApiError} "api.invalid"
 */
export function onceOf(owner: string, key: string, call: Call): Once {
  return { name: `${owner} ${parseKey(key)}`, fingerprint: fingerprintOf(call) };
}

function parseKey(text: string): string {
  const key = /^"(.*)"$/.exec(text)?.[1] ?? text;
  if (!/^[\x20-\x7e]+$/.test(key) || key.length > keyLimit) {
    throw new ApiError("api.invalid", `Idempotency-Key has 1 to ${keyLimit} printable ASCII characters`);
  }
  return key;
}

function fingerprintOf({ method, path, query, mediaType, body }: Call): string {
  const head = JSON.stringify([method, path, query, mediaType]);
  return createHash("sha256").update(head).update(body).digest("base64");
}

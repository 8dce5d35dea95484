// What a program is answered whose call is refused: a status, and a JSON body with the code and what would be right.

import { type ErrorCode, errorTable } from "../../protocol/errors.ts";
import type { Answer } from "../uws/waiting-client.ts";

const statuses = {
  "api.unauthorized": 401,
  "api.forbidden": 403,
  "api.invalid": 400,
  "api.method": 405,
  "api.mediaType": 415,
  "api.idempotency": 422,
  "topic.invalid": 400,
  "identity.invalid": 400,
  "close.invalid": 400,
  "message.tooLarge": 413,
  "request.tooLarge": 413,
  "request.tooSlow": 408,
  "request.malformed": 400,
  "url.tooLong": 414,
  "rate.requests": 429,
  "address.connections": 429,
  "route.unknown": 404,
  "parked.total": 503,
  "api.unanswered": 503,
  "api.busy": 503,
  "gateway.outdated": 503,
  "nats.away": 503,
  "history.tooMany": 400,
  "history.unavailable": 503,
  "history.total": 503,
  "gateway.restarts": 503,
  "connection.bug": 500,
} as const satisfies Partial<Record<ErrorCode, number>>;

export type ApiCode = keyof typeof statuses;

export function statusOf(code: ApiCode): number {
  return statuses[code];
}

/** Those of one status, for the OpenAPI document. */
export function codesOf(status: number): readonly ApiCode[] {
  return (Object.keys(statuses) as ApiCode[]).filter((code) => statuses[code] === status);
}

const leastRetryMs = 1_000;
const retried: ReadonlySet<number> = new Set([429, 503]);

/** A call is refused. */
export class ApiError extends Error {
  readonly code: ApiCode;
  readonly headers: Answer["headers"];
  /** Of 429 and 503: when it may be of use to come again; never less than leastRetryMs. */
  retryMs = leastRetryMs;

  /** @param text What was wrong, and what would be right; undefined: the code's usual text. */
  constructor(code: ApiCode, text: string = errorTable[code].text, headers: Answer["headers"] = []) {
    super(text);
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return statuses[this.code];
  }

  private get retrySeconds(): string {
    return String(Math.ceil(Math.max(leastRetryMs, this.retryMs) / 1_000));
  }

  get answer(): Answer {
    const { status, code, message } = this;
    const retry: Answer["headers"] = retried.has(status) ? [["retry-after", this.retrySeconds]] : [];
    return jsonAnswer(status, { error: code, message }, [...this.headers, ...retry]);
  }
}

/** Whether the code of an error is one that calls are refused with. */
export function isApiCode(code: ErrorCode): code is ApiCode {
  return Object.hasOwn(statuses, code);
}

export function jsonAnswer(status: number, body: object, headers: Answer["headers"] = []): Answer {
  return { status, headers: [["content-type", "application/json"], ["cache-control", "no-store"], ...headers], body: JSON.stringify(body) };
}

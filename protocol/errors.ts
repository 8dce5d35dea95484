// Every failure that we expect, in one table: its code, the close code that a client sees where a connection is closed
// for it, and what it means. Anything that is not a CodedError is a bug. docs/errors.md is compared with this table.

export const errorTable = {
  "message.tooLarge": { close: 1009, text: "a client's message is larger than MESSAGE_BYTES, or than its protocol allows" },
  "message.invalid": { close: 1007, text: "a client's message does not fit the handler's message schema" },
  "message.notJson": { close: 1007, text: "a client's message is not JSON, and the handler expects JSON" },
  "auth.expired": { close: 4401, text: "a connection's expiresAt has come, and no turn has set a later one within EXPIRE_GRACE_MS" },
  "auth.refused": { close: 4401, text: "a session, token or ticket is missing, wrong or no longer valid; answered with 401" },
  "auth.unavailable": { close: 1013, text: "the keys for tokens, or the store of tickets, cannot be reached; answered with 503" },
  "identity.invalid": { close: 1011, text: "a user is not text of 1 to 1024 bytes, or an expiresAt is not a valid Date" },
  "state.tooLarge": { close: 1011, text: "a connection's encoded state is larger than STATE_BYTES" },
  "state.invalid": {
    close: 1011,
    text: "a connection's state does not fit the handler's state schema, or has a value that cannot be stored",
  },
  "state.incompatible": {
    close: 1012,
    text: "the release that took over cannot use the connection's state; a client that reconnects gets a new one",
  },
  "effects.tooLarge": { close: 1011, text: "the encoded effects of one turn are larger than EFFECTS_BYTES" },
  "send.invalid": { close: 1011, text: "a value that was to be sent has no JSON: undefined, a function, a promise, a cycle" },
  "together.invalid": { close: 1011, text: "frames together are more than 65, contain such, are part of a value, or were to be kept" },
  "topic.invalid": { close: 1011, text: "a topic is empty, longer than 256 bytes of UTF-8, or not well-formed text" },
  "hook.invalid": {
    close: 1011,
    text: "a subscription with hook has a handler without onPublish, or last or after, or another hook than true or false",
  },
  "timer.invalid": { close: 1011, text: "a timer's name or time is none, or its handler has no onTimer" },
  "timers.tooMany": { close: 1011, text: "a connection has more than TIMERS_PER_CONNECTION timers" },
  "heartbeat.invalid": { close: 1011, text: "a heartbeat's times or frames are none, or it has only some of expect, within and close" },
  "lock.invalid": { close: 1011, text: "a lock's name or waitMs is none" },
  "lock.tooMany": { close: 1011, text: "a connection has, or waits for, more than LOCKS_PER_CONNECTION locks" },
  "lock.crowded": { close: 1013, text: "256 connections wait for one lock" },
  "lock.total": { close: 1013, text: "connections of a gateway have, or wait for, as many locks as LOCKS" },
  "lock.lost": { close: 1013, text: "a connection had a lock, and NATS' JetStream has lost it or given it to another one" },
  "member.invalid": { close: 1011, text: "what is told of a member (`as`) has no JSON, or more than 1 KiB of it" },
  "history.invalid": { close: 1011, text: "keep, last or after is not what a publish, a subscription or app.history takes" },
  "history.tooMany": { close: 1011, text: "a publish has another keep than those of the HISTORY_STREAMS streams that there are" },
  "history.unavailable": { close: 1013, text: "the history of topics cannot be written or read: NATS' JetStream refuses, or is off" },
  "history.total": { close: 1013, text: "what waits to be kept in history exceeds HISTORY_PENDING_BYTES" },
  "except.invalid": { close: 1011, text: "the except of a publish is not a list of at most 100 ids of connections" },
  "topics.tooMany": { close: 1011, text: "a connection has more than TOPICS_PER_CONNECTION topics" },
  "close.invalid": { close: 1011, text: "a close code is not 1000 or 3000 to 4999, or a reason is longer than 123 bytes" },
  "session.invalid": { close: 1011, text: "a session over HTTP, its key or its receive is not what openSession and the like take" },
  "session.unknown": { close: 1008, text: "a request names a session over HTTP that is not there, or no more; answered with 404" },
  "session.unanswered": { close: 1013, text: "the gateway that has a session over HTTP did not answer another one; answered with 503" },
  "gateway.lost": { close: 1012, text: "the gateway that had the session of a WebSocket at another one is gone" },
  "turn.over": { close: 1011, text: "a turn's conn was used after the turn had ended" },
  "turn.timeout": { close: 1011, text: "a turn did not settle within TURN_TIMEOUT_MS" },
  "parked.tooMuch": { close: 1013, text: "a connection's parked messages exceed PARKED_BYTES or PARKED_MESSAGES" },
  "parked.total": {
    close: 1013,
    text: "all parked messages of a gateway exceed PARKED_TOTAL_BYTES, or those of an address its share of it",
  },
  "parked.tooLong": { close: 1013, text: "no worker took a connection's messages within PARK_MS" },
  "backpressure.total": { close: 1013, text: "what waits for clients exceeds BACKPRESSURE_TOTAL_BYTES; the slowest are cut off" },
  "backpressure.tooLong": {
    close: 1013,
    text: "something has waited for a slow client for BACKPRESSURE_MS without a pause; it is cut off",
  },
  "message.unfinished": { close: 1008, text: "a message that had begun did not end, and its client answered no ping; it is cut off" },
  "timers.total": { close: 1013, text: "a gateway has as many timers as TIMERS" },
  "members.total": { close: 1013, text: "what a gateway's members tell of themselves exceeds MEMBER_BYTES" },
  "topics.total": { close: 1013, text: "a gateway has as many topics as TOPICS, or as many subscriptions as SUBSCRIPTIONS" },
  "upgrade.parked": { close: 1013, text: "no worker decided about an upgrade within PARK_MS; answered with 503" },
  "upgrade.tooMany": { close: 1013, text: "WAITING_UPGRADES upgrades and requests wait for a worker; answered with 503" },
  "upgrade.handshake": { close: 1008, text: "a request is not a valid WebSocket handshake (RFC 6455); answered with 400 or 426" },
  "upgrade.origin": { close: 1008, text: "a page of this Origin may not connect; answered with 403" },
  "upgrade.headers": { close: 1011, text: "the headers from onUpgrade include one of the handshake itself; answered with 500" },
  "rate.sent": { close: 1008, text: "a connection, or all of its address or user, sent messages, bytes or pings faster than allowed" },
  "rate.requests": {
    close: 1008,
    text: "an address or user makes requests, upgrades or failed upgrades faster than allowed; answered with 429",
  },
  "address.connections": { close: 1008, text: "an address has ADDRESS_CONNECTIONS connections; answered with 429" },
  "request.malformed": { close: 1008, text: "a request's head or body is malformed; answered with 400" },
  "request.origin": {
    close: 1008,
    text: "a page of this Origin may not send a request that changes something; answered with 403",
  },
  "request.method": { close: 1008, text: "a request's method is CONNECT, TRACE or TRACK; answered with 405" },
  "request.tooLarge": {
    close: 1009,
    text: "a request's body is larger than MESSAGE_BYTES, or what it delivers than a message of NATS; answered with 413",
  },
  "request.tooSlow": { close: 1008, text: "a request's body arrived too slowly; answered with 408" },
  "url.tooLong": { close: 1008, text: "a request's path and query are longer than URL_BYTES; answered with 414" },
  "route.unknown": { close: 1008, text: "no handler serves this path; answered with 404" },
  "route.removed": { close: 1001, text: "a release that was forced in no longer serves this path" },
  "api.unauthorized": { close: 1008, text: "a call of the HTTP API shows no key, or one that is unknown; answered with 401" },
  "api.forbidden": { close: 1008, text: "the key of a call has no right to do this; answered with 403" },
  "api.invalid": { close: 1008, text: "a call's URL or body is not what its endpoint takes; answered with 400" },
  "api.method": { close: 1008, text: "a path of the HTTP API does not take this method; answered with 405" },
  "api.mediaType": { close: 1008, text: "a call's Content-Type is not one that its endpoint takes; answered with 415" },
  "api.idempotency": { close: 1008, text: "another call had the same Idempotency-Key; answered with 422" },
  "api.unanswered": {
    close: 1013,
    text: "a gateway did not answer a call of the HTTP API within API_TIMEOUT_MS; answered with 503, and its part may not be done",
  },
  "api.busy": { close: 1013, text: "API_WAITING calls of the HTTP API wait for other gateways; answered with 503" },
  "dashboard.full": { close: 1013, text: "20 pages look at a gateway's dashboard; answered with 503" },
  "handler.invalid": { close: 1011, text: "a handler module's default export is not a result of defineHandler" },
  "handler.duplicate": { close: 1011, text: "two handler modules serve the same path" },
  "handler.thrown": { close: 1011, text: "a handler threw an error that is not in this table" },
  "handler.load": { close: 1011, text: "a handler module does not load" },
  "message.poison": { close: 1011, text: "a message killed three workers, the last of them alone, and was set aside" },
  "request.poison": { close: 1011, text: "three workers were lost while they handled an upgrade or a request; answered with 500" },
  "response.tooLarge": {
    close: 1011,
    text: "a Response has more than 64 KiB of headers, or refuses an upgrade with a body of more than that; answered with 500",
  },
  "response.broken": { close: 1011, text: "a Response's body ended before it was complete; the client's connection is cut" },
  "gateway.outdated": { close: 1011, text: "a handler, or a call of the HTTP API, used something that a running gateway is too old for" },
  "gateway.restarts": { close: 1012, text: "this gateway is being replaced; another one accepts its clients" },
  "gateway.forgotten": { close: 1012, text: "workers heard nothing of this gateway for so long that they ran onClose for its connections" },
  "gateway.ends": { close: 1001, text: "this gateway is shutting down, and no other one is known" },
  "gateway.full": { close: 1013, text: "this gateway has CONNECTIONS connections, or cannot open any more files; answered with 503" },
  "nats.away": { close: 1013, text: "NATS was unreachable for longer than PARK_MS, or than three quarters of GATEWAY_TIMEOUT_MS" },
  "connection.bug": { close: 1011, text: "a bug in thinstate affected this connection; the gateway's log has its stack" },
  "envelope.malformed": { close: 1011, text: "a message on one of thinstate's NATS subjects is not one of its envelopes" },
  "envelope.version": { close: 1011, text: "an envelope has a protocol version that this process does not speak" },
  "publish.invalid": { close: 1011, text: "another program's publish is larger than MESSAGE_BYTES, or marked as text but not UTF-8" },
  "release.unknown": { close: 1011, text: "rollback-worker names a release that is not kept" },
  "config.invalid": { close: 1011, text: "an environment variable has a value that is not allowed" },
  "library.unfit": { close: 1011, text: "uWebSockets.js has no binary for this Node and system, or not the expected one" },
  "task.over": { close: 1011, text: "a task's app was used after the task had ended in this worker" },
  "store.unavailable": { close: 1013, text: "the store of NATS' JetStream for tasks and locks cannot be reached" },
  "app.noGateway": { close: 1011, text: "no gateway carried out an app.* call within APP_TIMEOUT_MS" },
} as const satisfies Record<string, { close: number; text: string }>;

export type ErrorCode = keyof typeof errorTable;

/** An expected failure. `code` is stable; `message` says what was wrong and what would be right. */
export class CodedError extends Error {
  readonly code: ErrorCode;
  /** What a schema found wrong, by path; empty elsewhere. */
  readonly issues: readonly { readonly path: string; readonly message: string }[];

  constructor(code: ErrorCode, detail: string, options: { cause?: unknown; issues?: CodedError["issues"] } = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CodedError";
    this.code = code;
    this.issues = options.issues ?? [];
  }

  /** The WebSocket close code that goes with this error (RFC 6455, 7.4.1). */
  get closeCode(): number {
    return errorTable[this.code].close;
  }
}

/**
 * Of a process whose settings or software are wrong: to start it again does not help. 1 for everything else.
 * Source: sysexits.h, EX_CONFIG; systemd.exec(5) shows it as CONFIG.
 */
export const configExitCode = 78;

export function exitCodeOf(error: unknown): number {
  return isCodedError(error, "config.invalid") || isCodedError(error, "library.unfit") ? configExitCode : 1;
}

export function isCodedError(error: unknown, code?: ErrorCode): error is CodedError {
  return error instanceof CodedError && (code === undefined || error.code === code);
}

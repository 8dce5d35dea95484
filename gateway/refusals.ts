// What a client is answered that is not let in, or whose request nobody gets: counted by error code, and with no connection left where
// what follows could be mistaken for something else.

import type { Logger } from "pino";
import type { SparseLog } from "../process/sparse-log.ts";
import { type ErrorCode, errorTable } from "../protocol/errors.ts";
import { allowedMethods } from "../protocol/http-methods.ts";
import { tooLargeText } from "./client-fault.ts";
import type { HandshakeFault } from "./handshake.ts";
import type { RequestBodies } from "./request-bodies.ts";
import type { Incoming } from "./uws/request.ts";
import type { Answer, WaitingClient } from "./uws/waiting-client.ts";

/** Of a path, in the log. */
const loggedCharacters = 200;
/** Of those that handlers have. */
const loggedPaths = 10;
/** What browsers and crawlers ask of every site. */
const askedByThemselves: ReadonlySet<string> = new Set(["/favicon.ico", "/robots.txt"]);

export type Kind = "upgrade" | "request";

/** Whoever is refused comes again no sooner: what was in the way takes a while to go. */
const leastRetryMs = 5_000;

/** Of uWebSockets.js 20.30: it has room for nine digits. */
const readableBytes = 999_999_999;

/** How many ended how: accepted, refused by the handler, an answer's status, or one of our errors' codes. */
class Outcomes {
  readonly counts: Record<string, number> = {};

  /** @param usual those that are told of before the first. */
  constructor(...usual: readonly string[]) {
    for (const outcome of usual) this.counts[outcome] = 0;
  }

  count(outcome: string): void {
    this.counts[outcome] = (this.counts[outcome] ?? 0) + 1;
  }
}

export interface RefusalsOptions {
  readonly bodies: Pick<RequestBodies, "drop">;
  readonly log: Logger;
  /** For what clients cause. */
  readonly sparseLog: SparseLog;
  /** The paths that handlers have. */
  readonly paths: () => readonly string[];
}

interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  /** Instead of the code's usual text. */
  readonly text?: string;
  readonly headers?: Answer["headers"];
  /** Of 429 and 503: when it may be of use to come again. Missing, or sooner than that: after leastRetryMs. */
  readonly retryMs?: number;
  /** Of a request; a refused upgrade leaves no connection, since what the client sends behind it may be frames. */
  readonly close?: Answer["close"];
}

export class Refusals {
  readonly outcomes = { upgrade: new Outcomes("accepted", "refused"), request: new Outcomes() };
  private readonly options: RefusalsOptions;

  constructor(options: RefusalsOptions) {
    this.options = options;
  }

  refuse(kind: Kind, client: WaitingClient, refusal: Refusal): void {
    const { status, code, text = errorTable[code].text, headers = [], retryMs = 0, close } = refusal;
    this.options.bodies.drop(client);
    this.outcomes[kind].count(code);
    const seconds = Math.ceil(Math.max(leastRetryMs, retryMs) / 1_000);
    const retry: Answer["headers"] = status === 503 || status === 429 ? [["retry-after", String(seconds)]] : [];
    const answer = textAnswer(status, `${code}: ${text}`, [...headers, ...retry]);
    client.answer({ ...answer, close: kind === "upgrade" ? (close ?? "now") : close });
  }

  /** For what somebody has set up wrongly, and cannot see: a page only learns that it could not connect. */
  refuseAndLog(
    kind: Kind,
    { path }: Incoming,
    client: WaitingClient,
    { hint = "", more, ...refusal }: Refusal & { readonly hint?: string; readonly more?: object },
  ): void {
    const { status, code, text = errorTable[code].text } = refusal;
    const about = { path: path.slice(0, loggedCharacters), fault: text, ...more };
    this.options.sparseLog.warn({ code }, about, `${kind} refused with ${status}${hint}`);
    this.refuse(kind, client, refusal);
  }

  /** No handler has its path. Which paths there are is for the log alone: a stranger has no need to know. */
  unknown(kind: Kind, incoming: Incoming, client: WaitingClient, close?: Answer["close"]): void {
    const refusal = { status: 404, code: "route.unknown", close } as const;
    if (askedByThemselves.has(incoming.path)) return this.refuse(kind, client, refusal);
    const paths = this.options.paths();
    const served = paths.length > loggedPaths ? [...paths.slice(0, loggedPaths), "…"] : paths;
    const hint = ": is it the path of a handler, and does a proxy pass it on as it came?";
    this.refuseAndLog(kind, incoming, client, { ...refusal, hint, more: { served } });
  }

  /** Nobody answers plain HTTP there. */
  plain(client: WaitingClient, close: Answer["close"]): void {
    this.options.bodies.drop(client);
    this.outcomes.request.count("426");
    client.answer({ ...textAnswer(426, "this path speaks WebSocket", [["upgrade", "websocket"]]), close });
  }

  method(method: string, client: WaitingClient, close: Answer["close"]): void {
    const text = `${method} is not served`;
    this.refuse("request", client, { status: 405, code: "request.method", text, headers: [["allow", allowedMethods]], close });
  }

  /** @param bytes Missing: it came without telling, and is not read any further. */
  tooLarge(bytes: number | undefined, limitBytes: number, incoming: Incoming, client: WaitingClient): void {
    const text = tooLargeText("the body", bytes, limitBytes);
    const close = bytes === undefined ? "now" : bytes > readableBytes ? "first" : "linger";
    this.refuseAndLog("request", incoming, client, { status: 413, code: "request.tooLarge", text, close });
  }

  malformed(text: string, incoming: Incoming, client: WaitingClient): void {
    this.refuseAndLog("request", incoming, client, { status: 400, code: "request.malformed", text, close: "first" });
  }

  handshake({ status, text }: HandshakeFault, incoming: Incoming, client: WaitingClient): void {
    const headers: Answer["headers"] =
      status === 426
        ? [
            ["upgrade", "websocket"],
            ["sec-websocket-version", "13"],
          ]
        : [];
    const hint = status === 426 ? ": does a proxy pass Upgrade and Connection on?" : "";
    this.refuseAndLog("upgrade", incoming, client, { status, code: "upgrade.handshake", text, headers, close: "first", hint });
  }

  /** @param fault as originFault tells it. The page only learns that it could not connect, so it is logged as well. */
  origin(kind: Kind, fault: string, { client, route, ...rest }: { client: WaitingClient; route: string; close?: Answer["close"] }): void {
    const code = kind === "upgrade" ? "upgrade.origin" : "request.origin";
    this.options.sparseLog.warn({ code, route }, { fault }, "refused with 403");
    this.refuse(kind, client, { status: 403, code, text: fault, ...rest });
  }

  poison(kind: Kind, { method, path }: Incoming, client: WaitingClient): void {
    this.options.log.error({ kind, method, path, code: "request.poison" }, "given up: it was with three workers that died");
    this.refuse(kind, client, { status: 500, code: "request.poison" });
  }
}

function textAnswer(status: number, body: string, headers: Answer["headers"]): Answer {
  return { status, headers: [["content-type", "text/plain; charset=utf-8"], ...headers], body: `${body}\n` };
}

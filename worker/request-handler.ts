// Answers what gateways ask before there is a connection: may this client connect, and plain HTTP.

import type { Logger } from "pino";
import type { SparseLog } from "../process/sparse-log.ts";
import { CodedError, type ErrorCode, errorTable, isCodedError } from "../protocol/errors.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import { packValue } from "../protocol/msgpack.ts";
import { parseRequest, parseUpgrade, toGateway, type UpgradedBody } from "../protocol/records.ts";
import { matchRoute, type RouteTable } from "../protocol/route-table.ts";
import { isClientFault } from "./failure.ts";
import { type App, answersOnly, type Handler } from "./handler.ts";
import { httpRequestOf, isOfNoUrl, refusalOf } from "./http-request.ts";
import { expiryTime } from "./identity.ts";
import type { Refusals } from "./refusal-counts.ts";
import { type Reply, replyOf, upgradeRefusalOf } from "./reply.ts";
import { ResponseStream } from "./response-stream.ts";
import { afterRunning } from "./running-time.ts";
import { SessionAnswer } from "./session.ts";
import { sessionKey, sessionReply } from "./session-reply.ts";
import { initialState } from "./state.ts";
import { encodeState } from "./state-codec.ts";
import type { TurnSources } from "./turn-sources.ts";
import { checkSubprotocol, headerRecord, upgradeRequestOf } from "./upgrade-request.ts";
import { welcomeHeaders } from "./welcome-headers.ts";

type HeaderList = ReadonlyArray<readonly [string, string]>;

export interface RequestHandlerOptions {
  readonly handlers: RouteTable<Handler>;
  readonly release: string;
  readonly limits: { readonly stateBytes: number; readonly recordBytes: number; readonly turnTimeoutMs: number };
  readonly app: App;
  readonly hub: LinkHub;
  /** Told of requests that could not be parsed. */
  readonly refusals: Refusals;
  /** Told who asks, and whose requests were answered with 500. */
  readonly sources: Pick<TurnSources, "hear" | "blame">;
  readonly log: Logger;
  /** For what clients cause. */
  readonly sparseLog: SparseLog;
}

/** To a WebSocket on a path that has none. */
const plainOnly: UpgradedBody = {
  ok: false,
  status: 404,
  headers: [["content-type", "text/plain"]],
  body: Buffer.from("this path answers plain HTTP, and has no WebSocket\n"),
};

interface Question {
  readonly peer: string;
  readonly number: number;
  readonly type: typeof toGateway.upgraded | typeof toGateway.responded;
  readonly path: string;
  readonly ip: string;
  /** Its path pattern. */
  readonly route: string;
  readonly isHead: boolean;
}

/** One that a gateway waits for. */
interface Open {
  readonly controller: AbortController;
  /** Its body, once that is sent in pieces. */
  stream?: ResponseStream;
}

export class RequestHandler {
  /** Without requests that could not be parsed: they are counted as refusals. */
  readonly counters = { answered: 0, failed: 0, broken: 0 };
  private readonly options: RequestHandlerOptions;
  private undecided = 0;
  /** By gateway and number of the question. */
  private readonly open = new Map<string, Map<number, Open>>();

  constructor(options: RequestHandlerOptions) {
    this.options = options;
  }

  /** Questions that are not answered yet. */
  get size(): number {
    return this.undecided;
  }

  /** Answers whose bodies are being sent. */
  get streams(): number {
    let count = 0;
    for (const { stream } of this.all()) if (stream !== undefined) count++;
    return count;
  }

  /** @throws {CodedError} "envelope.malformed" */
  upgrade(peer: string, number: number, payload: Buffer): void {
    const body = parseUpgrade(payload);
    const { path, ip } = body;
    const match = matchRoute(this.options.handlers, path);
    const question = { peer, number, type: toGateway.upgraded, path, ip, route: match?.route.path ?? "", isHead: false };
    void this.answer(question, async (signal): Promise<Reply> => {
      if (match === undefined) throw new CodedError("route.unknown", `${path} is not served here`);
      const { route: handler, params } = match;
      if (answersOnly(handler)) return upgradedReply(plainOnly);
      const { query, redelivered } = body;
      // A gateway that makes no ids numbers its questions anew for each worker.
      const id = body.id ?? `${peer}:question-${number}`;
      const { app } = this.options;
      const upgrade = upgradeRequestOf({ path, params, query, ip, app, signal, headers: headerRecord(body.headers), id, redelivered });
      const welcome = await handler.onUpgrade?.(upgrade);
      if (welcome instanceof Response) return upgradedReply(await upgradeRefusalOf(welcome));
      checkSubprotocol(welcome?.subprotocol, upgrade.subprotocols);
      const state = initialState(handler, welcome ?? undefined);
      const bytes = state === undefined ? undefined : encodeState(state, this.options.limits.stateBytes);
      return upgradedReply({
        ok: true,
        user: welcome?.user,
        state: bytes,
        subprotocol: welcome?.subprotocol,
        headers: welcomeHeaders(welcome?.headers),
        expiresAt: expiryTime(welcome?.expiresAt),
        session: sessionKey(welcome?.session, body.level),
      });
    });
  }

  /** @throws {CodedError} "envelope.malformed" */
  request(peer: string, number: number, payload: Buffer): void {
    const body = parseRequest(payload);
    const match = matchRoute(this.options.handlers, body.path);
    const question = {
      peer,
      number,
      type: toGateway.responded,
      path: body.path,
      ip: body.ip,
      route: match?.route.path ?? "",
      isHead: body.method === "HEAD",
    };
    void this.answer(question, async (signal): Promise<Response | Reply> => {
      if (match?.route.onRequest === undefined) throw new CodedError("route.unknown", `${body.path} does not answer HTTP here`);
      const { route: handler, params } = match;
      if (isOfNoUrl(params["*"])) return new Response("not found\n", { status: 404 });
      const request = httpRequestOf(body, signal);
      const { release, app, limits } = this.options;
      const turn = { id: `${peer}:http-${number}`, redelivered: body.redelivered, flushed: 0, release, app, signal };
      const context = { params, ip: body.ip, turn, app, sessionMissing: body.sessionMissing === true };
      let response: unknown;
      try {
        response = await handler.onRequest?.(request, context);
      } catch (error) {
        throw request.clientFaultOf(error);
      }
      if (response instanceof SessionAnswer) return sessionReply(response, { handler, level: body.level, ...limits });
      if (!(response instanceof Response)) throw new TypeError("onRequest must return a Response");
      return response;
    });
  }

  /** The client has taken so many bytes of a body. */
  credit(peer: string, number: number, bytes: number): void {
    this.open.get(peer)?.get(number)?.stream?.taken(bytes);
  }

  /** The link to a gateway has credit again. */
  resume(peer: string): void {
    for (const { stream } of this.open.get(peer)?.values() ?? []) stream?.resume();
  }

  /** Nobody waits for this answer any more, or for the rest of it. */
  cancel(peer: string, number: number): void {
    const open = this.open.get(peer)?.get(number);
    if (open === undefined) return;
    this.open.get(peer)?.delete(number);
    abandon(open);
  }

  /** A gateway is gone: whatever it asks is a new question. */
  forget(peer: string): void {
    const gone = this.open.get(peer);
    this.open.delete(peer);
    for (const open of gone?.values() ?? []) abandon(open);
  }

  /** The worker ends: what is not whole by now is cut off. */
  stop(): void {
    for (const { stream, controller } of [...this.all()]) {
      stream?.break(new DOMException("the worker ends", "AbortError"));
      controller.abort();
    }
  }

  private *all(): Iterable<Open> {
    for (const open of this.open.values()) yield* open.values();
  }

  private async answer(question: Question, decide: (signal: AbortSignal) => Promise<Reply | Response>): Promise<void> {
    const { limits, log, sparseLog } = this.options;
    const { peer, number, path } = question;
    const open: Open = { controller: new AbortController() };
    const ofPeer = this.open.get(peer) ?? new Map<number, Open>();
    this.open.set(peer, ofPeer.set(number, open));
    const isWanted = () => this.open.get(peer)?.get(number) === open;
    this.undecided++;
    let reply: Reply | undefined;
    let refused: ErrorCode | undefined;
    try {
      const decided = await within(limits.turnTimeoutMs, open.controller, decide);
      if (!(decided instanceof Response)) reply = decided;
      else if (isWanted()) reply = await replyOf(decided, question.isHead);
      else discard(decided);
    } catch (error) {
      if (isClientFault(error)) {
        refused = error.code;
        log.debug({ path, err: error }, "a request was refused");
        const { text, ...head } = refusalOf(error);
        reply = { type: question.type, bytes: packValue({ ok: false, ...head, body: Buffer.from(`${text}\n`) }) };
      } else if (isWanted()) {
        this.counters.failed++;
        this.options.sources.blame(question.ip);
        sparseLog.error({ route: question.route }, { path, err: error }, "answered with 500");
        reply = { type: question.type, bytes: packValue(failure(error)) };
      } else log.debug({ path, err: error }, "gave up an answer that nobody waits for");
    } finally {
      this.undecided--;
      if (refused === undefined) {
        this.counters.answered++;
        this.options.sources.hear(question.ip);
      } else this.options.refusals.count(question.route, refused);
    }
    const link = this.options.hub.get(peer);
    if (!isWanted() || reply === undefined || link === undefined) {
      reply?.ahead?.rest?.cancel(open.controller.signal.reason);
      return;
    }
    link.append({ type: reply.type, flags: 0, extra: 0, slot: number, epoch: 0 }, reply.bytes);
    if (reply.ahead !== undefined) {
      open.stream = new ResponseStream({ link, number, ahead: reply.ahead, length: reply.length });
      await this.send(open.stream, question);
    }
    if (isWanted()) this.open.get(peer)?.delete(number);
  }

  private async send(stream: ResponseStream, { route, path }: Question): Promise<void> {
    try {
      await stream.run();
    } catch (error) {
      this.counters.broken++;
      this.options.sparseLog.error({ route }, { path, err: error }, "a Response was cut off before it was whole");
    }
  }
}

function upgradedReply(body: UpgradedBody): Reply {
  return { type: toGateway.upgraded, bytes: packValue(body) };
}

function abandon({ controller, stream }: Open): void {
  controller.abort();
  stream?.stop(controller.signal.reason);
}

/** @throws {CodedError} "turn.timeout"; a Response that comes later is none. */
async function within(
  timeoutMs: number,
  controller: AbortController,
  decide: (signal: AbortSignal) => Promise<Reply | Response>,
): Promise<Reply | Response> {
  let stop: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    stop = afterRunning(timeoutMs, () => {
      const error = new CodedError("turn.timeout", `not answered within ${timeoutMs} ms (TURN_TIMEOUT_MS)`);
      controller.abort(error);
      reject(error);
      decided.then(discard, () => undefined);
    });
  });
  const decided = decide(controller.signal);
  try {
    return await Promise.race([decided, late]);
  } finally {
    stop?.();
  }
}

// Its source is to know that nobody reads it.
function discard(decided: Reply | Response): void {
  if (decided instanceof Response && !decided.bodyUsed) decided.body?.cancel().catch(() => undefined);
}

/** What went wrong in a handler is no client's business, but for the code of an error of ours. */
function failure(error: unknown): { ok: false; status: number; headers: HeaderList; body: Uint8Array } {
  const text = isCodedError(error) ? `${error.code}: ${errorTable[error.code].text}` : "internal error";
  const type: readonly [string, string] = ["content-type", "text/plain; charset=utf-8"];
  const isAway = isCodedError(error, "auth.unavailable");
  return {
    ok: false,
    status: isAway ? 503 : 500,
    headers: isAway ? [type, ["retry-after", "5"]] : [type],
    body: Buffer.from(`${text}\n`),
  };
}

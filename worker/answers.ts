// Answers what gateways ask before there is a connection: may this client connect, and plain HTTP.

import type { Logger } from "pino";
import { CodedError } from "../protocol/errors.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import { packValue } from "../protocol/msgpack.ts";
import { parseRequest, parseUpgrade, type RespondedBody, toGateway, type UpgradedBody } from "../protocol/records.ts";
import { matchRoute, type RouteTable } from "../protocol/route.ts";
import type { App, Handler } from "./handler.ts";
import { httpRequestOf } from "./http-request.ts";
import { upgradeRequestOf } from "./request.ts";
import { initialState } from "./state.ts";
import { welcomeHeaders } from "./welcome-headers.ts";

type HeaderList = ReadonlyArray<readonly [string, string]>;

export interface AnswersOptions {
  readonly handlers: RouteTable<Handler>;
  readonly release: string;
  readonly limits: { readonly answerBytes: number; readonly stateBytes: number; readonly turnTimeoutMs: number };
  readonly app: App;
  readonly hub: LinkHub;
  readonly log: Logger;
}

export class Answers {
  readonly counters = { answered: 0, failed: 0 };
  private readonly options: AnswersOptions;
  private open = 0;

  constructor(options: AnswersOptions) {
    this.options = options;
  }

  /** Questions that are not answered yet. */
  get size(): number {
    return this.open;
  }

  /** @throws {CodedError} "envelope.malformed" */
  upgrade(peer: string, number: number, payload: Buffer): void {
    const body = parseUpgrade(payload);
    const match = matchRoute(this.options.handlers, body.path);
    void this.answer({ peer, number, type: toGateway.upgraded, path: body.path }, async (signal): Promise<UpgradedBody> => {
      if (match === undefined) throw new CodedError("route.unknown", `${body.path} is not served here`);
      const { route: handler, params } = match;
      const { path, query, ip } = body;
      const upgrade = upgradeRequestOf({ path, params, query, ip, signal, headers: recordOf(body.headers) });
      const welcome = await handler.onUpgrade?.(upgrade);
      if (welcome instanceof Response) return { ok: false, ...(await encodeResponse(welcome)) };
      checkSubprotocol(welcome?.subprotocol, upgrade.subprotocols);
      const state = initialState(handler, welcome ?? undefined);
      const bytes = state === undefined ? undefined : packValue(state);
      if (bytes !== undefined && bytes.length > this.options.limits.stateBytes) {
        throw new CodedError(
          "state.tooLarge",
          `onUpgrade's state has ${bytes.length} bytes, at most ${this.options.limits.stateBytes} are allowed (STATE_BYTES)`,
        );
      }
      return {
        ok: true,
        user: welcome?.user,
        state: bytes,
        subprotocol: welcome?.subprotocol,
        headers: welcomeHeaders(welcome?.headers),
      };
    });
  }

  /** @throws {CodedError} "envelope.malformed" */
  request(peer: string, number: number, payload: Buffer): void {
    const body = parseRequest(payload);
    const match = matchRoute(this.options.handlers, body.path);
    void this.answer({ peer, number, type: toGateway.responded, path: body.path }, async (signal): Promise<RespondedBody> => {
      if (match?.route.onRequest === undefined) throw new CodedError("route.unknown", `${body.path} does not answer HTTP here`);
      const { route: handler, params } = match;
      const request = httpRequestOf(body, signal);
      if (request instanceof Response) {
        // What a client sent wrong is the client's business: it is no failure of the release.
        this.options.log.debug({ path: body.path, method: body.method, status: request.status }, "a request was refused");
        return encodeResponse(request);
      }
      const turn = { id: `${peer}:http-${number}`, redelivered: body.redelivered, flushed: 0, release: this.options.release, signal };
      const response = await handler.onRequest?.(request, { params, ip: body.ip, turn, app: this.options.app });
      if (!(response instanceof Response)) throw new TypeError("onRequest must return a Response");
      return encodeResponse(response);
    });
  }

  private async answer(
    question: { peer: string; number: number; type: number; path: string },
    decide: (signal: AbortSignal) => Promise<UpgradedBody | RespondedBody>,
  ): Promise<void> {
    this.open++;
    const { limits, log, hub } = this.options;
    let bytes: Uint8Array;
    try {
      bytes = packValue(await within(limits.turnTimeoutMs, decide));
      if (bytes.length > limits.answerBytes)
        throw new CodedError("effects.tooLarge", `the response has ${bytes.length} bytes, at most ${limits.answerBytes} are possible`);
    } catch (error) {
      this.counters.failed++;
      log.error({ path: question.path, err: error }, "answered with 500");
      bytes = packValue({ ok: false, status: 500, headers: [["content-type", "text/plain"]], body: Buffer.from("internal error\n") });
    } finally {
      this.open--;
      this.counters.answered++;
    }
    hub.get(question.peer)?.append({ type: question.type, flags: 0, extra: 0, slot: question.number, epoch: 0 }, bytes);
  }
}

async function within<Value>(timeoutMs: number, work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new CodedError("turn.timeout", `not answered within ${timeoutMs} ms (TURN_TIMEOUT_MS)`);
      controller.abort(error);
      reject(error);
    }, timeoutMs);
  });
  try {
    return await Promise.race([work(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function encodeResponse(response: Response): Promise<RespondedBody> {
  return { status: response.status, headers: [...response.headers], body: new Uint8Array(await response.arrayBuffer()) };
}

// RFC 6455, 4.2.2: a server names one of those that the client offered, or none.
function checkSubprotocol(chosen: string | undefined, offered: readonly string[]): void {
  if (chosen === undefined || offered.includes(chosen)) return;
  throw new TypeError(`onUpgrade chose the subprotocol ${chosen}, but the client offers ${offered.join(", ") || "none"}`);
}

// A repeated header's values are joined: RFC 9110, 5.3; cookies by `; `, RFC 6265, 5.4.
function recordOf(headers: HeaderList): Record<string, string> {
  // Nothing is inherited: a client may call a header `constructor`, or send none.
  const record: Record<string, string> = Object.create(null);
  for (const [name, value] of headers) {
    const before = record[name];
    record[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return record;
}

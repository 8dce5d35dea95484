// Engine.IO's other transport, HTTP long-polling: a GET receives the packets that wait, a POST sends some.
// Source: engine.io-protocol v4, "HTTP long-polling".

import { matchesOrigin, pageFault, upgradeRequestOfHttp, warn } from "../../adapter.ts";
import type { RequestContext, UpgradeRequest, Welcome } from "../../handler.ts";
import { deliverMessages, openSession, type Receive, receiveFrames, type SessionAnswer } from "../../session.ts";
import { withHeaders } from "../response-headers.ts";
import { binaryOf, isLonger, packetType, transportErrorCode } from "./packet.ts";

/** Between two packets of a body. Source: "Packet encoding". */
const separator = "\x1e";

const allowOrigin = "access-control-allow-origin";
/** What a client sent is shown up to here. */
const shownCharacters = 256;

/** Engine.IO's own refusals. */
const refusals = {
  transport: { code: 0, message: "Transport unknown" },
  session: { code: 1, message: "Session ID unknown" },
  method: { code: 2, message: "Bad handshake method" },
  request: { code: 3, message: "Bad request" },
  version: { code: 5, message: "Unsupported protocol version" },
} as const;

/** Pages of which origins may poll, and whether with cookies. */
interface Cors {
  readonly origins: readonly string[];
  readonly credentials: boolean;
}

export interface PollingOptions {
  /** Of a body, either way. */
  readonly maxBytes: number;
  /** How long a session may be without a poll. */
  readonly idleMs: number;
  readonly cors: Cors;
  readonly newSid: () => string;
  /** Of a session's connection, beside its `sid`. */
  readonly initial: object;
  /** Decides about a client that opens a session. */
  readonly admit: (request: UpgradeRequest) => Promise<Omit<Welcome, "subprotocol"> | Response | undefined>;
}

export function refusal(why: keyof typeof refusals): Response {
  return Response.json(refusals[why], { status: 400 });
}

export function pollingHook({ maxBytes, idleMs, cors: allowed, newSid, initial, admit }: PollingOptions) {
  return async (request: Request, context: RequestContext): Promise<Response | SessionAnswer> => {
    const { searchParams: query } = new URL(request.url);
    const key = query.get("sid");
    const origin = request.headers.get("origin");
    const cors = corsHeaders(origin, allowed);
    const head = { ...cors, "content-type": "text/plain; charset=UTF-8", "cache-control": "no-store" };
    const refused = (why: keyof typeof refusals) => withHeaders(refusal(why), cors);
    const json = { ...head, "content-type": "application/json" };
    const refusedLater = (why: keyof typeof refusals) => ({ status: 400, body: JSON.stringify(refusals[why]), headers: json });
    if (origin !== null && cors[allowOrigin] === undefined && key === null) warnOfPage(origin, new URL(request.url));
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { ...cors, ...preflightHeaders(request) } });
    if (query.get("EIO") !== "4") return refused("version");
    if (query.get("transport") !== "polling") return refused(query.get("transport") === "websocket" ? "request" : "transport");
    if (key !== null && !isSid(key)) return refused("session");
    const missing = refusedLater("session");
    const receive: Receive = {
      ...{ mode: "poll", maxBytes, between: separator, binaryBefore: "b", missing, headers: head },
      busy: {
        response: refusedLater("request"),
        close: { code: transportErrorCode, reason: "two polls", last: packetType.close },
      },
      gone: { code: 1006, reason: "" },
    };
    if (key === null) {
      if (request.method !== "GET") return refused("method");
      const welcome = await admit(upgradeRequestOfHttp(request, context));
      if (welcome instanceof Response) return withHeaders(welcome, cors);
      const sid = newSid();
      const { user, expiresAt, headers } = welcome ?? {};
      const first = { ...receive, headers: { ...head, ...headers } };
      return openSession({ user, expiresAt, key: sid, state: { ...initial, sid }, idleMs, receive: first });
    }
    if (request.method === "GET") return receiveFrames({ key, receive });
    if (request.method !== "POST") return refused("method");
    const body = await request.text();
    if (isLonger(body, maxBytes)) {
      warn({}, { limitBytes: maxBytes }, "request refused with 413: a body of long-polling is larger than maxHttpBufferSize");
      return new Response(null, { status: 413, headers: cors });
    }
    const packets = body.split(separator);
    const messages = packets.map((packet) => (packet[0] === packetType.binary ? binaryOf(packet) : packet));
    // The session is closed for one that is none.
    const response = packets.every((packet) => /^[1-6b]/.test(packet)) ? { body: "ok", headers: head } : refusedLater("request");
    return deliverMessages({ key, messages, response, missing });
  };
}

/** What a session's id may be: another one cannot be asked for. */
export function isSid(text: string): boolean {
  return /^[\w-]{1,128}$/.test(text);
}

/** As npm's `cors` has them, to which Socket.IO gives its own option. Source: Fetch, "HTTP-CORS protocol". */
function corsHeaders(origin: string | null, { origins, credentials }: Cors): Record<string, string> {
  const isAny = origins.includes("*");
  const vary = isAny ? undefined : { vary: "Origin" };
  if (!isAny && (origin === null || !origins.some((pattern) => matchesOrigin(pattern, origin)))) return { ...vary };
  const cookies = credentials ? { "access-control-allow-credentials": "true" } : undefined;
  return { [allowOrigin]: isAny ? "*" : `${origin}`, ...vary, ...cookies };
}

/** Of another site: its browser asks all the same, and does not tell it what the answer says. It knows no more than `xhr poll error`. */
function warnOfPage(origin: string, { host, pathname }: URL): void {
  if (pageFault(origin, { host }) === undefined) return;
  const about = { origin: origin.slice(0, shownCharacters), path: pathname.slice(0, shownCharacters) };
  const text = "a page of another site cannot read what it polls (xhr poll error)";
  warn({}, about, `${text}: if it may, name its origin in the handler's cors: { origin: […] }, and this server's own beside it`);
}

function preflightHeaders({ headers }: Request): Record<string, string> {
  const wanted = headers.get("access-control-request-headers");
  return {
    "access-control-allow-methods": "GET, POST",
    ...(wanted !== null && { "access-control-allow-headers": wanted }),
    "access-control-max-age": "600",
  };
}

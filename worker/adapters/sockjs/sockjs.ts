// SockJS as a handler: `export default sockjs({ path: "/echo", onMessage(conn, message) { conn.send(message); } })`, with the hooks of any other
// one, whose messages are text. Clients are sockjs-client and what speaks as it does: sockjs-protocol 0.3.3, whose sections are named here.

import { after, CodedError, checkEvery, type PathParams, upgradeRequestOfHttp, validate } from "../../adapter.ts";
import type { Connection, Handler, HandlerOptions, Hooks, Message, Schema, Turn } from "../../handler.ts";
import { defineHandler } from "../../handler.ts";
import { longestSessionMs, receiveBytes } from "../../session.ts";
import { checkCount, checkNames } from "../options.ts";
import { appOf, isClosing, isRaw, turnOf, withConnection } from "./connection.ts";
import { heartbeatFrame, messagesOfFrame, openFrame, parseMessages, TextMessage } from "./frames.ts";
import { corsHeaders, greeting, iframe, iframePath, info, notFound, refused, refusedPage, sessionCookie, wrongMethod } from "./pages.ts";
import { answerSession } from "./transports.ts";

/** In one frame of a WebSocket, unless the handler's `limits.messages` lets fewer come at once. sockjs-client sends one. */
const frameMessages = 100;

/** What a SockJS server may be told. */
export interface SockJsSettings {
  /** Whether WebSockets are served: true. */
  readonly websocket?: boolean;
  /** Sets the cookie JSESSIONID, by which some load balancers know a session: false. */
  readonly jsessionid?: boolean;
  /** How often a client hears that its session is there, so that no proxy between takes it for dead: 25,000. */
  readonly heartbeatMs?: number;
  /** How much an answer gets of xhr_streaming, eventsource and htmlfile, before the client asks for the next one: 128 KiB. */
  readonly responseBytes?: number;
  /** How long a session over HTTP is kept while its client asks for nothing: 5,000. */
  readonly disconnectMs?: number;
  /** From where iframe.html loads sockjs-client: the release 1 at jsDelivr. */
  readonly clientUrl?: string;
}

/** What defineHandler takes, but `on` and `onRequest`: below its path, all is SockJS'. */
export type SockJsOptions<Path extends string, StateSchema extends Schema | undefined, MessageSchema extends Schema | undefined> = Omit<
  HandlerOptions<Path, StateSchema, MessageSchema>,
  "on" | "onRequest"
> &
  SockJsSettings;

const optionNames: Record<keyof SockJsOptions<string, undefined, undefined>, true> = {
  ...{ path: true, websocket: true, jsessionid: true, heartbeatMs: true, responseBytes: true, disconnectMs: true, clientUrl: true },
  ...{ origins: true, requireOrigin: true, subprotocols: true, limits: true, state: true, message: true, migrate: true, tasks: true },
  ...{ onUpgrade: true, onOpen: true, onMessage: true, onClose: true, onError: true, onExpire: true, onTimer: true, onPublish: true },
  ...{ onAdopt: true, onStart: true, onGatewayLost: true },
};

/** "Session URLs": `/<server>/<session>/<transport>`; the server's number is for load balancers alone. */
const sessionPath = /^[^/.]+\/([^/.]+)\/([a-z_]+)$/;

/**
 * @param options.path What clients are given as their URL. Everything below it is served, and nothing at itself: see `sockjsGreeting`.
 * @throws {CodedError} "handler.invalid"
 */
export function sockjs<
  const Path extends string,
  StateSchema extends Schema | undefined = undefined,
  MessageSchema extends Schema | undefined = undefined,
>(options: SockJsOptions<Path, StateSchema, MessageSchema>): ReturnType<typeof defineHandler<Path, StateSchema, MessageSchema>> {
  const { websocket = true, jsessionid = false, heartbeatMs = 25_000, responseBytes = 128 * 1024, disconnectMs = 5_000, ...rest } = options;
  const { clientUrl = "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js", ...hooks } = rest;
  checkNames("SockJS", options, optionNames);
  checkEvery("heartbeatMs", heartbeatMs);
  checkCount("disconnectMs", disconnectMs, longestSessionMs);
  checkCount("responseBytes", responseBytes, receiveBytes);
  const inner = defineHandler(hooks as unknown as HandlerOptions<string, undefined, undefined>) as unknown as Handler;
  const mostMessages = Math.min(frameMessages, inner.limits?.messages.count ?? frameMessages);
  const { path, origins, onUpgrade, onOpen, onClose, onError, onAdopt, onExpire, onTimer, onPublish, onStart, onGatewayLost } = inner;
  if (path.endsWith("/*"))
    throw new CodedError("handler.invalid", `a path of SockJS is what clients have as their URL: ${path.slice(0, -2) || "/"}, not ${path}`);
  const outer: Hooks<PathParams, unknown, unknown, Message> & Pick<Handler, "tasks"> = {
    onUpgrade(request) {
      const { "*": rest = "", ...params } = request.params;
      if (!websocket || !(rest === "websocket" || sessionPath.exec(rest)?.[2] === "websocket")) return notFound();
      return onUpgrade?.({ ...request, params, app: appOf(request.app) });
    },

    onOpen(conn, turn) {
      if (!isRaw(conn)) {
        conn.send(openFrame);
        conn.setHeartbeat({ every: heartbeatMs, send: heartbeatFrame });
      }
      if (onOpen !== undefined) return withConnection(conn, (own) => onOpen(own, turnOf(turn)));
    },

    onMessage(conn, message, turn) {
      if (isRaw(conn)) return withConnection(conn, (own) => receive(inner, own, message, turnOf(turn)));
      const texts = message.isBinary ? undefined : parseMessages(message.text());
      // "When user sends broken data … the server must abruptly terminate the ws connection."
      if (texts === undefined) return conn.close(3000, "Broken framing.");
      if (texts.length > mostMessages) return conn.close(3000, "Too many messages in one frame.");
      // What was flushed before a worker died has counted.
      if (texts.length > 1 && turn.flushed === 0) conn.countMessages(texts.length - 1);
      return withConnection(conn, (own) => each(own, texts, (text) => receive(inner, own, text, turnOf(turn))));
    },

    onPublish(conn, topic, message, turn) {
      const texts = messagesOfFrame(message.text());
      // Of its subscriptions: see SockJsConnection.
      if (isRaw(conn)) return texts.forEach((text) => conn.send(text));
      if (onPublish === undefined) throw new CodedError("hook.invalid", "subscribe with hook needs an onPublish in the handler");
      return withConnection(conn, (own) => each(own, texts, (text) => onPublish(own, topic, text, turnOf(turn))));
    },

    ...(onClose && { onClose: (conn, closing, turn) => withConnection(conn, (own) => onClose(own, closing, turnOf(turn))) }),
    ...(onError && { onError: (conn, error, turn) => withConnection(conn, (own) => onError(own, error, turnOf(turn))) }),
    ...(onAdopt && { onAdopt: (conn, turn) => withConnection(conn, (own) => onAdopt(own, turnOf(turn))) }),
    ...(onExpire && { onExpire: (conn, turn) => withConnection(conn, (own) => onExpire(own, turnOf(turn))) }),
    ...(onTimer && { onTimer: (conn, name, turn) => withConnection(conn, (own) => onTimer(own, name, turnOf(turn))) }),
    ...(onStart && { onStart: (app, context) => onStart(appOf(app), context) }),
    ...(onGatewayLost && { onGatewayLost: (app, loss) => onGatewayLost(appOf(app), loss) }),
    ...(inner.tasks && {
      tasks: Object.fromEntries(
        Object.entries(inner.tasks).map(([name, task]) => [name, { run: (app, context) => task.run(appOf(app), context) }]),
      ),
    }),

    onRequest(request, context) {
      const { "*": rest = "", ...params } = context.params;
      const isGet = request.method === "GET" || request.method === "HEAD";
      if (rest === "") return isGet ? greeting() : wrongMethod("GET");
      if (iframePath.test(rest)) return isGet ? iframe(request, clientUrl, origins) : wrongMethod("GET");
      const [, session = "", transport = rest] = sessionPath.exec(rest) ?? [];
      if (transport === "websocket" && websocket) return isGet ? refused("Not a valid websocket request", {}, 400) : wrongMethod("GET");
      const cors = corsHeaders(request, origins);
      if (typeof cors === "string") return refusedPage(cors, path);
      if (rest === "info") return info(request, { websocket, cookie_needed: jsessionid }, cors);
      return answerSession(request, context, {
        transport,
        session,
        headers: { ...cors, ...(jsessionid && sessionCookie(request)) },
        responseBytes,
        disconnectMs,
        onUpgrade: async () =>
          (await onUpgrade?.(upgradeRequestOfHttp(request, { ...context, params, app: appOf(context.app) }))) ?? undefined,
      });
    },
  };
  const { message: _, ...kept } = hooks as unknown as HandlerOptions<string, undefined, undefined>;
  const served = defineHandler({ ...kept, ...(outer as typeof kept), path: path === "/" ? "/*" : `${path}/*` });
  return served as unknown as ReturnType<typeof defineHandler<Path, StateSchema, MessageSchema>>;
}

/** "Greeting url" without the slash, in a file of its own: a path below it is another handler's. @param path as of `sockjs`. */
export function sockjsGreeting(path: string): Handler {
  return defineHandler({ path, onRequest: ({ method }) => (method === "GET" || method === "HEAD" ? greeting() : wrongMethod("GET")) });
}

// Mostly one, and then without a promise where the hook returns none.
function each(own: Connection, texts: readonly string[], take: (message: TextMessage) => unknown): unknown {
  return texts.length === 1 ? take(new TextMessage(texts[0] ?? "")) : oneByOne(own, texts, take);
}

// As where they come alone: what is behind one whose turn closes the connection is not handled.
async function oneByOne(own: Connection, texts: readonly string[], take: (message: TextMessage) => unknown): Promise<void> {
  for (const text of texts) if (!isClosing(own)) await take(new TextMessage(text));
}

function receive({ message: schema, onMessage }: Handler, conn: Connection, message: Message, turn: Turn): unknown {
  if (onMessage === undefined) return undefined;
  if (schema === undefined) return onMessage(conn, message, turn);
  return after(validate(schema, message.json(), "message.invalid"), (value) => onMessage(conn, value, turn));
}

// What a handler's hooks get instead of the gateway's own `conn`, `turn` and `app`: the same, but that messages are SockJS'. In topics,
// and on framed connections, messages are `a` frames; a raw WebSocket ("Raw WebSocket url") gets them as they are.

import { CodedError } from "../../../protocol/errors.ts";
import type { App, Connection, PublishOptions, Sendable, SubscribeOptions, Turn } from "../../handler.ts";
import { closeFrame, messageFrame, messagesOfFrame, TextMessage } from "./frames.ts";

/** Whether it is a WebSocket without frames of SockJS'. @param conn the gateway's. */
export function isRaw({ params }: Pick<Connection, "params">): boolean {
  return params["*"] === "websocket";
}

/** Runs a hook with the handler's `conn`. Without a promise where the hook returns none. */
export function withConnection(inner: Connection, hook: (conn: Connection) => unknown): void | Promise<void> {
  const own = new SockJsConnection(inner);
  const settling = hook(inFrontOf(own));
  if (settling instanceof Promise) return settling.then(() => sendClose(own));
  sendClose(own);
}

/** What differs from the gateway's own. */
class SockJsConnection implements Pick<Connection, "params" | "send" | "publish" | "subscribe" | "close"> {
  readonly inner: Connection;
  closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(inner: Connection) {
    this.inner = inner;
  }

  /** Those of the handler's own path. */
  get params(): Connection["params"] {
    const { "*": _, ...own } = this.inner.params;
    return own;
  }

  send(data: Sendable): void {
    this.inner.send(isRaw(this.inner) ? data : messageFrame(data));
  }

  publish(topic: string, data: Sendable, options?: PublishOptions): void {
    this.inner.publish(topic, messageFrame(data), options);
  }

  subscribe(topic: string, options: SubscribeOptions = {}): void {
    if (!isRaw(this.inner)) return this.inner.subscribe(topic, options);
    if (options.hook || options.last !== undefined)
      throw new CodedError("hook.invalid", "a raw WebSocket of SockJS cannot subscribe with hook or last");
    // A turn of this connection takes each message out of its frame: nobody else pays for it.
    this.inner.subscribe(topic, { ...options, hook: true });
  }

  close(code = 1000, reason = ""): void {
    this.inner.close(code, reason);
    this.closing ??= { code, reason };
  }
}

// What the turn sends comes first, as without SockJS. A session over HTTP has its close frame from the gateway.
function sendClose({ inner, closing }: SockJsConnection): void {
  const isFramed = inner.params["*"]?.endsWith("/websocket");
  if (closing !== undefined && isFramed) inner.send(closeFrame(closing.code, closing.reason));
}

export function turnOf(inner: Turn): Turn {
  const own = {
    inner,
    get app() {
      return appOf(inner.app);
    },
  };
  return inFrontOf<Turn>(own);
}

export function appOf(inner: App): App {
  const own: Pick<App, "publish" | "send" | "sendToUser" | "history"> = {
    publish: (topic, data, options) => inner.publish(topic, messageFrame(data), options),
    send: (connectionId, data) => inner.send(connectionId, messageFrame(data)),
    sendToUser: (user, data) => inner.sendToUser(user, messageFrame(data)),
    history: async (topic, options) => (await inner.history(topic, options)).map((entry) => ({ ...entry, data: plain(entry.data.text()) })),
  };
  return inFrontOf({ inner, ...own });
}

function plain(frame: string): TextMessage {
  return new TextMessage(messagesOfFrame(frame)[0] ?? "");
}

/** `own`, and behind it whatever else `inner` has: also what later versions of it have. */
function inFrontOf<Whole extends object>(own: { readonly inner: Whole }): Whole {
  return new Proxy(own, front) as unknown as Whole;
}

const front: ProxyHandler<{ readonly inner: object }> = {
  get(own, name) {
    if (name in own) return Reflect.get(own, name);
    const value: unknown = Reflect.get(own.inner, name);
    // Its private fields are its own.
    return typeof value === "function" ? value.bind(own.inner) : value;
  },
};

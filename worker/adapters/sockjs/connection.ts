// What a handler's hooks get instead of the gateway's own `conn`, `turn` and `app`: the same, but that messages are SockJS'. In topics,
// and on framed connections, messages are `a` frames; a raw WebSocket ("Raw WebSocket url") gets them as they are.

import { CodedError } from "../../../protocol/errors.ts";
import type { App, Connection, HistoryEntry, PublishOptions, Sendable, SubscribeOptions, Turn } from "../../handler.ts";
import { closeFrame, messageFrame, messagesOfFrame, TextMessage } from "./frames.ts";

/** Whether it is a WebSocket without frames of SockJS'. @param conn the gateway's. */
export function isRaw({ params }: Pick<Connection, "params">): boolean {
  return params["*"] === "websocket";
}

/** Else it is a session over HTTP, whose gateway writes its close frame. */
function isFramedWebSocket({ params }: Connection): boolean {
  return params["*"]?.endsWith("/websocket") === true;
}

/** What differs from the gateway's own `conn`. */
class SockJsConnection implements Pick<Connection, "params" | "send" | "publish" | "subscribe" | "close"> {
  readonly inner: Connection;
  readonly raw: boolean;
  closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(inner: Connection) {
    this.inner = inner;
    this.raw = isRaw(inner);
  }

  /** Those of the handler's own path. */
  get params(): Connection["params"] {
    const { "*": _, ...own } = this.inner.params;
    return own;
  }

  send(data: Sendable): void {
    this.inner.send(this.raw ? data : messageFrame(data));
  }

  publish(topic: string, data: Sendable, options?: PublishOptions): void {
    this.inner.publish(topic, messageFrame(data), options);
  }

  subscribe(topic: string, options: SubscribeOptions = {}): void {
    if (!this.raw) return this.inner.subscribe(topic, options);
    if (options.hook || options.last !== undefined)
      throw new CodedError("hook.invalid", "a raw WebSocket of SockJS cannot subscribe with hook or last");
    // A turn of this connection takes each message out of its frame: nobody else pays for it.
    this.inner.subscribe(topic, { ...options, hook: true });
  }

  /** What the turn sends comes first, as without SockJS. */
  close(code = 1000, reason = ""): void {
    this.inner.close(code, reason);
    this.closing ??= { code, reason };
  }
}

/** Runs a hook with the handler's `conn`. Without a promise where the hook returns none. */
export function withConnection(inner: Connection, hook: (conn: Connection) => unknown): void | Promise<void> {
  const own = new SockJsConnection(inner);
  const settling = hook(inFrontOf(own));
  if (settling instanceof Promise) return settling.then(() => sendClose(own));
  sendClose(own);
}

function sendClose({ inner, closing }: SockJsConnection): void {
  if (closing !== undefined && isFramedWebSocket(inner)) inner.send(closeFrame(closing.code, closing.reason));
}

class SockJsTurn implements Pick<Turn, "app"> {
  readonly inner: Turn;

  constructor(inner: Turn) {
    this.inner = inner;
  }

  get app(): App {
    return appOf(this.inner.app);
  }
}

export function turnOf(inner: Turn): Turn {
  return inFrontOf(new SockJsTurn(inner));
}

/** What differs from the gateway's own `app`. */
class SockJsApp implements Pick<App, "publish" | "send" | "sendToUser" | "history"> {
  readonly inner: App;

  constructor(inner: App) {
    this.inner = inner;
  }

  publish(topic: string, data: Sendable, options?: PublishOptions): Promise<void> {
    return this.inner.publish(topic, messageFrame(data), options);
  }

  send(connectionId: string, data: Sendable): Promise<boolean> {
    return this.inner.send(connectionId, messageFrame(data));
  }

  sendToUser(user: string, data: Sendable): Promise<number> {
    return this.inner.sendToUser(user, messageFrame(data));
  }

  async history(topic: string, options: { readonly last: number }): Promise<HistoryEntry[]> {
    const entries = await this.inner.history(topic, options);
    return entries.map((entry) => ({ ...entry, data: new TextMessage(messagesOfFrame(entry.data.text())[0] ?? "") }));
  }
}

export function appOf(inner: App): App {
  return inFrontOf(new SockJsApp(inner));
}

/** `own`, and behind it whatever else `inner` has: also what later versions of it have. */
function inFrontOf<Whole extends object>(own: { readonly inner: Whole }): Whole {
  return new Proxy(own, front) as unknown as Whole;
}

const front: ProxyHandler<{ readonly inner: object }> = {
  get(own, name) {
    if (name !== "constructor" && name in own) return Reflect.get(own, name);
    const { inner } = own;
    const value: unknown = Reflect.get(inner, name);
    // Its private fields are its own.
    return typeof value === "function" ? value.bind(inner) : value;
  },
};

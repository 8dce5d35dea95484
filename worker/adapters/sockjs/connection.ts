// What a handler's hooks get instead of the gateway's own `conn`, `turn` and `app`: the same, but that messages are SockJS'. In topics,
// and on framed connections, messages are `a` frames; a raw WebSocket ("Raw WebSocket url") gets them as they are.

import { after, CodedError, InFrontOf } from "../../adapter.ts";
import type { App, Connection, PublishOptions, Sendable, SubscribeOptions, Turn } from "../../handler.ts";
import { closeFrame, messageFrame, messagesOfFrame, TextMessage } from "./frames.ts";

/** Whether it is a WebSocket without frames of SockJS'. @param conn the gateway's. */
export function isRaw({ params }: Pick<Connection, "params">): boolean {
  return params["*"] === "websocket";
}

/** Runs a hook with the handler's `conn`. Without a promise where the hook returns none. */
export function withConnection(inner: Connection, hook: (conn: Connection) => unknown): void | Promise<void> {
  const own = new SockJsConnection(inner);
  return after(hook(own as unknown as Connection), () => sendClose(own));
}

/** @param conn a hook's. */
export function isClosing(conn: Connection): boolean {
  return (conn as unknown as SockJsConnection).closing !== undefined;
}

class SockJsConnection extends InFrontOf<Connection> implements Pick<Connection, "params" | "send" | "publish" | "subscribe" | "close"> {
  closing: { readonly code: number; readonly reason: string } | undefined;

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
    if (options.hook || options.last !== undefined || options.after !== undefined)
      throw new CodedError("hook.invalid", "a raw WebSocket of SockJS cannot subscribe with hook, last or after");
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
  if (closing !== undefined && inner.params["*"]?.endsWith("/websocket")) inner.send(closeFrame(closing.code, closing.reason));
}

class SockJsTurn extends InFrontOf<Turn> implements Pick<Turn, "app"> {
  get app(): App {
    return appOf(this.inner.app);
  }
}

export function turnOf(inner: Turn): Turn {
  return new SockJsTurn(inner) as unknown as Turn;
}

class SockJsApp extends InFrontOf<App> implements Pick<App, "publish" | "send" | "sendToUser" | "history"> {
  publish: App["publish"] = (topic, data, options) => this.inner.publish(topic, messageFrame(data), options);
  send: App["send"] = (connectionId, data) => this.inner.send(connectionId, messageFrame(data));
  sendToUser: App["sendToUser"] = (user, data) => this.inner.sendToUser(user, messageFrame(data));
  history: App["history"] = async (topic, options) =>
    (await this.inner.history(topic, options)).map((entry) => ({
      ...entry,
      data: new TextMessage(messagesOfFrame(entry.data.text())[0] ?? ""),
    }));
}

export function appOf(inner: App): App {
  return new SockJsApp(inner) as unknown as App;
}

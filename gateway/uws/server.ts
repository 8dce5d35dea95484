// Listens with uWebSockets.js. This folder is the one room that knows it.

import type { Socket } from "../connection.ts";
import { App } from "./app.ts";
import { loadLibrary } from "./library.ts";
import type { Incoming } from "./request.ts";
import type { AnswerRoom, WaitingRequest, WaitingUpgrade } from "./waiting-client.ts";

export interface ServerListeners<Data extends object> {
  /** Whether a TCP connection is taken; else it is closed at once, before TLS begins. Not asked by 20.30. @param ip of its other end. */
  mayConnect?(ip: string): boolean;
  /** Whether a request is not to be looked at, but cut off. @param ip of the TCP connection. */
  isBarred?(ip: string): boolean;
  onUpgrade(incoming: Incoming, client: WaitingUpgrade<Data>): void;
  /** Its body has not arrived yet: to be read, or answered without. */
  onRequest(incoming: Incoming, client: WaitingRequest): void;
  onOpen(data: Data, socket: Socket): void;
  /** @param message valid during the call only. */
  onMessage(data: Data, message: Uint8Array, isBinary: boolean): void;
  /** A ping, which the library has answered, or a pong. @param isAnswer It is a pong to a ping that its socket was told to send. */
  onPing?(data: Data, isAnswer: boolean): void;
  /** The library cuts it off for what its client has sent; its close follows. */
  onFault?(data: Data, reason: string): void;
  /** A socket has published: to the subscribers that are no WebSockets. @param data valid during the call only. */
  onPublish?(topic: string, data: Uint8Array, isBinary: boolean): void;
  /**
   * The socket must not be used any more.
   * @param isSlow it was closed because it read too slowly: more than `limits.backpressureBytes` waited for it.
   */
  onClose(data: Data, code: number, reason: Uint8Array, isSlow: boolean): void;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Whether nobody else may listen there, not even another gateway. Not for one that is renewed. */
  readonly isExclusive?: boolean;
  /** Files in PEM; undefined: clients speak without TLS. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly limits: {
    /** Larger messages end the connection without a close frame: so far above the limit that clients are told of. */
    readonly frameBytes: number;
    readonly backpressureBytes: number;
    readonly idleTimeoutMs: number;
    /** Whether clients may use permessage-deflate. A message counts as what it inflates to. */
    readonly compresses: boolean;
  };
}

export interface Server {
  readonly port: number;
  /** Answers of which something still waits for its client, or for its worker. */
  readonly writing: number;
  /** To every subscriber. */
  publish(topic: string, data: Uint8Array, isBinary: boolean): void;
  /**
   * Takes new connections with other options, host and port excepted. Those that are open stay as they are.
   * @throws where uWebSockets.js refuses; then nothing has changed.
   */
  renew(options: Pick<ServerOptions, "tls" | "limits">): Promise<void>;
  /** Takes no new connections, until it is to listen again; those that are open stay. */
  pauseListening(): void;
  /** @throws where somebody else has taken the port meanwhile. */
  listenAgain(): Promise<void>;
  /** Takes no new connections, for good; those that are open stay. */
  stopListening(): void;
}

/** @throws where the port cannot be had; {CodedError} "library.unfit" */
export async function listen<Data extends object>(options: ServerOptions, listeners: ServerListeners<Data>): Promise<Server> {
  const server = new UwsServer(options, listeners);
  await server.renew(options);
  return server;
}

/** What listens, and what has open connections. An app cannot change its certificate or its limits, so another one takes its place. */
class UwsServer<Data extends object> implements Server {
  port: number;
  private readonly library: ReturnType<typeof loadLibrary>;
  private readonly host: string;
  private readonly isExclusive: boolean;
  private readonly listeners: ServerListeners<Data>;
  /** Those that have connections, and the one that takes new ones. */
  private readonly apps = new Set<App<Data>>();
  private readonly answers: AnswerRoom;
  private current: App<Data> | undefined;
  private isPaused = false;
  private hasStopped = false;

  constructor({ host, port, isExclusive = false }: ServerOptions, listeners: ServerListeners<Data>) {
    this.library = loadLibrary();
    this.answers = { writing: new Set(), corksAll: this.library.version !== "20.30" };
    this.host = host;
    this.port = port;
    this.isExclusive = isExclusive;
    this.listeners = listeners;
  }

  get writing(): number {
    return this.answers.writing.size;
  }

  publish(topic: string, data: Uint8Array, isBinary: boolean): void {
    for (const app of this.apps) app.publish(topic, data, isBinary);
  }

  async renew({ tls, limits }: Pick<ServerOptions, "tls" | "limits">): Promise<void> {
    if (this.hasStopped) return;
    const { library, listeners, answers } = this;
    const app: App<Data> = new App({
      library,
      tls,
      limits,
      listeners,
      answers,
      isExclusive: this.isExclusive,
      publishElsewhere: (topic, data, isBinary) => {
        for (const other of this.apps) if (other !== app) other.publish(topic, data, isBinary);
        listeners.onPublish?.(topic, data, isBinary);
      },
      onCount: () => this.keepIfUsed(app),
    });
    this.port = await app.listen(this.host, this.port);
    const before = this.current;
    this.current = app;
    this.apps.add(app);
    if (before !== undefined) {
      // What the kernel has accepted for a listening socket, and nobody has taken, is reset when that is closed: just behind the
      // phase of the event loop that takes it, that is next to nothing. With the sysctl net.ipv4.tcp_migrate_req it is nothing.
      await new Promise((resolve) => setImmediate(resolve));
      this.retire(before);
    }
    if (this.hasStopped) this.stopListening();
    else if (this.isPaused) this.pauseListening();
  }

  pauseListening(): void {
    this.isPaused = true;
    this.current?.stopListening();
  }

  async listenAgain(): Promise<void> {
    this.isPaused = false;
    const { current } = this;
    if (current === undefined || current.isListening) return;
    try {
      await current.listen(this.host, this.port);
    } catch (error) {
      this.isPaused = true;
      throw error;
    }
  }

  stopListening(): void {
    this.hasStopped = true;
    const { current } = this;
    this.current = undefined;
    if (current !== undefined) this.retire(current);
  }

  private retire(app: App<Data>): void {
    app.stopListening();
    this.keepIfUsed(app);
  }

  // One that has retired may still have upgrades that wait: they open there.
  private keepIfUsed(app: App<Data>): void {
    if (app.connections > 0 || app === this.current) this.apps.add(app);
    else this.apps.delete(app);
  }
}

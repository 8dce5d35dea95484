// Listens with uWebSockets.js. This folder is the one room that knows it: it turns its callbacks, whose arguments are valid
// only while they run, into values that may be kept.

import type { Socket } from "../connection.ts";
import type * as uWS from "./library.ts";
import { headLimitBytes, loadLibrary } from "./library.ts";
import { headBytesOf, type Incoming, incomingOf, peerOf } from "./request.ts";
import { isOverLimit, type Known, ServerSocket, type SocketRoom } from "./socket.ts";
import { type AnswerRoom, Client, type WaitingRequest, type WaitingUpgrade } from "./waiting-client.ts";

export interface ServerListeners<Data extends object> {
  /** Whether a request is not to be looked at, but cut off. @param ip of the TCP connection. */
  isBarred?(ip: string): boolean;
  onUpgrade(incoming: Incoming, client: WaitingUpgrade<Data>): void;
  /** Its body has not arrived yet: to be read, or answered without. */
  onRequest(incoming: Incoming, client: WaitingRequest): void;
  onOpen(data: Data, socket: Socket): void;
  /** @param message valid during the call only. */
  onMessage(data: Data, message: Uint8Array, isBinary: boolean): void;
  /** A ping, or a pong. The library has answered it. */
  onPing?(data: Data): void;
  /**
   * The socket must not be used any more.
   * @param isSlow it was closed because it read too slowly: more than `limits.backpressureBytes` waited for it.
   */
  onClose(data: Data, code: number, reason: Uint8Array, isSlow: boolean): void;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
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

/**
 * For TLS 1.2, the oldest that uWebSockets.js speaks: forward secrecy and authenticated encryption only. The ciphers of TLS 1.3 are all
 * fit, and not in this list. Source: Mozilla's Server Side TLS 5.7, "Intermediate", without DHE, for which we have no parameters.
 */
const ciphers = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
];

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

/**
 * One app of uWebSockets.js: it cannot change its certificate or its limits, but another one can listen on the same port, and
 * take its place. Topics are known to one app each.
 */
interface Listener {
  readonly app: uWS.TemplatedApp;
  /** See SocketRoom. */
  readonly compressFrom: number;
  listening: uWS.us_listen_socket | undefined;
  connections: number;
}

class UwsServer<Data extends object> implements Server {
  port: number;
  private readonly uWS: uWS.Library;
  private readonly version: string;
  private readonly host: string;
  private readonly listeners: ServerListeners<Data>;
  /** Those that have connections, and the one that takes new ones. */
  private readonly openListeners = new Set<Listener>();
  private readonly answers: AnswerRoom;
  private current: Listener | undefined;
  private isPaused = false;
  private hasStopped = false;

  constructor({ host, port }: ServerOptions, listeners: ServerListeners<Data>) {
    const { uWS, version } = loadLibrary();
    this.uWS = uWS;
    this.version = version;
    this.answers = { writing: new Set(), corksAll: version !== "20.30" };
    this.host = host;
    this.port = port;
    this.listeners = listeners;
  }

  get writing(): number {
    return this.answers.writing.size;
  }

  publish(topic: string, data: Uint8Array, isBinary: boolean): void {
    for (const { app, compressFrom } of this.openListeners) app.publish(topic, data, isBinary, data.length >= compressFrom);
  }

  async renew({ tls, limits }: Pick<ServerOptions, "tls" | "limits">): Promise<void> {
    if (this.hasStopped) return;
    const app = tls === undefined ? this.uWS.App() : this.uWS.SSLApp(tlsOptions(tls));
    const compressFrom = limits.compresses ? compressedBytes : Number.POSITIVE_INFINITY;
    const listener: Listener = { app, compressFrom, listening: undefined, connections: 0 };
    this.addRoutes(listener, limits, tls !== undefined);
    listener.listening = await listenOn(app, this.host, this.port);
    this.port = this.uWS.us_socket_local_port(listener.listening as unknown as uWS.us_socket);
    const before = this.current;
    this.current = listener;
    this.openListeners.add(listener);
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
    if (this.current !== undefined) this.close(this.current);
  }

  async listenAgain(): Promise<void> {
    this.isPaused = false;
    const { current } = this;
    if (current === undefined || current.listening !== undefined) return;
    try {
      current.listening = await listenOn(current.app, this.host, this.port);
    } catch (error) {
      this.isPaused = true;
      throw error;
    }
  }

  stopListening(): void {
    this.hasStopped = true;
    if (this.current !== undefined) this.retire(this.current);
    this.current = undefined;
  }

  // It may still have upgrades that wait: they open here.
  private retire(listener: Listener): void {
    this.close(listener);
    if (listener.connections === 0) this.openListeners.delete(listener);
  }

  private close(listener: Listener): void {
    if (listener.listening !== undefined) this.uWS.us_listen_socket_close(listener.listening);
    listener.listening = undefined;
  }

  private addRoutes(listener: Listener, limits: ServerOptions["limits"], isTls: boolean): void {
    const { app } = listener;
    const { listeners } = this;
    const room: SocketRoom = {
      publishElsewhere: (topic, data, isBinary) => {
        for (const other of this.openListeners) {
          if (other !== listener) other.app.publish(topic, data, isBinary, data.length >= other.compressFrom);
        }
      },
      losesLarge: this.version === "20.30" && !isTls,
      compressFrom: listener.compressFrom,
    };
    /** undefined: closed again before it was looked at. */
    let onUpgraded: (ws: Known<Data> | undefined) => void;
    app.ws<object>("/*", {
      // One for all: 256 KiB a connection would be too much to keep, and no message depends on those before it.
      compression: limits.compresses ? this.uWS.SHARED_COMPRESSOR | this.uWS.SHARED_DECOMPRESSOR : this.uWS.DISABLED,
      maxPayloadLength: limits.frameBytes,
      maxBackpressure: limits.backpressureBytes,
      // Else a publish to a slow subscriber would be dropped without a word. What is over the limit is dropped all the same, and
      // then the socket's reading side is shut down: its close comes with the next turn of the event loop, as 1006.
      closeOnBackpressureLimit: true,
      idleTimeout: Math.max(8, Math.round(limits.idleTimeoutMs / 1000)),
      sendPingsAutomatically: true,
      upgrade: (response, request, context) => {
        if (listeners.isBarred?.(peerOf(response))) return void response.close();
        const incoming = incomingOf(response, request, this.version !== "20.30");
        if (isHeadTooLarge(incoming)) return new Client(response, false, this.answers).answer(headTooLarge);
        const key = request.getHeader("sec-websocket-key");
        const extensions = request.getHeader("sec-websocket-extensions");
        const client = new Client(response, false, this.answers);
        const accept: WaitingUpgrade<Data>["accept"] = (admit, subprotocol, headers) => {
          let ws: Known<Data> | undefined;
          onUpgraded = (upgraded) => {
            ws = upgraded;
          };
          client.finish(() => {
            response.writeStatus("101 Switching Protocols");
            for (const [name, value] of headers) response.writeHeader(name, value);
            response.upgrade(nothing, key, subprotocol, extensions, context);
          });
          if (ws === undefined) return;
          listener.connections++;
          this.openListeners.add(listener);
          const data = admit();
          ws.socket = new ServerSocket(ws, data, room);
          listeners.onOpen(data, ws.socket);
        };
        listeners.onUpgrade(incoming, Object.assign(client, { accept }));
      },
      // No more than this: an upgrade that has waited is corked, and behind its cork uWebSockets.js looks into memory that it has
      // freed, and closes the socket where what it finds there looks like "Connection: close". So nothing may be allocated until
      // then. Source: https://github.com/uNetworking/uWebSockets/pull/1929 (July 2026; every release we can install has it).
      open: (ws) => {
        onUpgraded(ws);
      },
      message: ({ socket }: Known<Data>, message, isBinary) => {
        if (socket !== undefined) listeners.onMessage(socket.data, new Uint8Array(message), isBinary);
      },
      ping: ({ socket }: Known<Data>) => {
        if (socket !== undefined) listeners.onPing?.(socket.data);
      },
      pong: ({ socket }: Known<Data>) => {
        if (socket !== undefined) listeners.onPing?.(socket.data);
      },
      // The last moment when a socket that closes can still be asked: `close` comes too late for that. What is sent tells
      // itself that it was dropped; what is published does not, but who it was published to has subscribed.
      subscription: (ws: Known<Data>, _topic, count, countBefore) => {
        const { socket } = ws;
        if (socket !== undefined && count < countBefore) socket.isSlow ||= isOverLimit(ws, limits.backpressureBytes);
      },
      close: ({ socket }: Known<Data>, code, message) => {
        if (socket === undefined) return onUpgraded(undefined);
        listeners.onClose(socket.data, code, new Uint8Array(message).slice(), code === 1006 && socket.isSlow);
        listener.connections--;
        if (listener.connections === 0 && listener !== this.current) this.openListeners.delete(listener);
      },
    });
    app.any("/*", (response, request) => {
      if (listeners.isBarred?.(peerOf(response))) return void response.close();
      const incoming = incomingOf(response, request, this.version !== "20.30");
      if (isHeadTooLarge(incoming)) return new Client(response, false, this.answers).answer({ ...headTooLarge, close: "linger" });
      listeners.onRequest(incoming, new Client(response, incoming.method === "HEAD", this.answers));
    });
  }
}

/** Compressed from here on: shorter messages gain little where each is compressed by itself. As the package ws has it. */
const compressedBytes = 1024;

/** 20.69 answers by itself; 20.30 has no limit where a head arrives in one piece. */
function isHeadTooLarge(incoming: Incoming): boolean {
  return headBytesOf(incoming) > headLimitBytes;
}

const headTooLarge = { status: 431, headers: [], body: "", close: "now" } as const;

function listenOn(app: uWS.TemplatedApp, host: string, port: number): Promise<uWS.us_listen_socket> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, (listening) => {
      if (listening === false) reject(new Error(`cannot listen on ${host}:${port}`));
      else resolve(listening);
    });
  });
}

/** Properties of what uWebSockets.js is given are copied; it needs none. */
const nothing = {};

function tlsOptions({ certFile, keyFile }: NonNullable<ServerOptions["tls"]>): uWS.AppOptions {
  return { cert_file_name: certFile, key_file_name: keyFile, ssl_ciphers: ciphers.join(":") };
}

// One app of uWebSockets.js, listening on the server's port. It turns the callbacks, whose arguments are valid only while they run, into
// values that may be kept. It keeps its certificate, its limits and its topics for life: see server.ts for how another takes its place.

import type * as uWS from "./library.ts";
import { headLimitBytes, type loadLibrary } from "./library.ts";
import { headBytesOf, type Incoming, incomingOf, peerOf } from "./request.ts";
import type { ServerListeners, ServerOptions } from "./server.ts";
import { clientFaultOf, isOverLimit, type Known, ServerSocket, type SocketRoom } from "./socket.ts";
import { type Enter, UpgradingClient } from "./upgrading-client.ts";
import { type AnswerRoom, Client } from "./waiting-client.ts";

export interface AppOptions<Data extends object> extends Pick<ServerOptions, "tls" | "limits"> {
  readonly library: ReturnType<typeof loadLibrary>;
  readonly listeners: ServerListeners<Data>;
  readonly answers: AnswerRoom;
  readonly isExclusive: boolean;
  /** To the subscribers of the other apps. */
  readonly publishElsewhere: SocketRoom["publishElsewhere"];
  /** It has one connection more or less. */
  readonly onCount: () => void;
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

/** Compressed from here on: shorter messages gain little where each is compressed by itself. As the package ws has it. */
const compressedBytes = 1024;

export class App<Data extends object> {
  connections = 0;
  private readonly options: AppOptions<Data>;
  private readonly app: uWS.TemplatedApp;
  /** See SocketRoom. */
  private readonly compressFrom: number;
  private listening: uWS.us_listen_socket | undefined;

  /** @throws where uWebSockets.js refuses the certificate. */
  constructor(options: AppOptions<Data>) {
    const { library, tls, limits } = options;
    this.options = options;
    this.app = tls === undefined ? library.uWS.App() : library.uWS.SSLApp(tlsOptions(tls));
    this.compressFrom = limits.compresses ? compressedBytes : Number.POSITIVE_INFINITY;
    this.addFilter();
    this.addWebSockets();
    this.addRequests();
  }

  get isListening(): boolean {
    return this.listening !== undefined;
  }

  /** @param port 0: any. @returns the port. @throws where it cannot be had. */
  async listen(host: string, port: number): Promise<number> {
    const { uWS } = this.options.library;
    this.listening = await listenOn(this.app, host, port, this.options.isExclusive ? exclusivePort : sharedPort);
    return uWS.us_socket_local_port(this.listening as unknown as uWS.us_socket);
  }

  /** Takes no new connections; those that are open stay. */
  stopListening(): void {
    if (this.listening !== undefined) this.options.library.uWS.us_listen_socket_close(this.listening);
    this.listening = undefined;
  }

  /** To each of its subscribers. */
  publish(topic: string, data: Uint8Array, isBinary: boolean): void {
    this.app.publish(topic, data, isBinary, data.length >= this.compressFrom);
  }

  private addFilter(): void {
    const { library, listeners } = this.options;
    // 20.30 does not tell of a connection before its first request.
    if (listeners.mayConnect === undefined || library.version === "20.30") return;
    this.app.filter((response, change) => {
      // -1: it has been closed.
      if (Number(change) > 0 && !listeners.mayConnect?.(peerOf(response))) response.close();
    });
  }

  private addWebSockets(): void {
    const { app, compressFrom } = this;
    const { library, tls, limits, listeners, answers, publishElsewhere, onCount } = this.options;
    const { uWS, version } = library;
    const room: SocketRoom = { publishElsewhere, losesLarge: version === "20.30" && tls === undefined, compressFrom };
    /** What `open` was told last; undefined: closed again before it was looked at. */
    let upgraded: Known<Data> | undefined;
    const enter: Enter<Data> = (upgrade, admit) => {
      upgrade();
      const ws = upgraded;
      upgraded = undefined;
      if (ws === undefined) return;
      this.connections++;
      onCount();
      const data = admit();
      ws.socket = new ServerSocket(ws, data, room);
      listeners.onOpen(data, ws.socket);
    };
    app.ws<object>("/*", {
      // One for all: 256 KiB a connection would be too much to keep, and no message depends on those before it.
      compression: limits.compresses ? uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR : uWS.DISABLED,
      maxPayloadLength: limits.frameBytes,
      maxBackpressure: limits.backpressureBytes,
      // Else a publish to a slow subscriber would be dropped without a word. What is over the limit is dropped all the same, and
      // then the socket's reading side is shut down: its close comes with the next turn of the event loop, as 1006.
      closeOnBackpressureLimit: true,
      idleTimeout: Math.max(8, Math.round(limits.idleTimeoutMs / 1000)),
      sendPingsAutomatically: true,
      upgrade: (response, request, context) => {
        if (listeners.isBarred?.(peerOf(response))) return void response.close();
        const incoming = incomingOf(response, request, version !== "20.30");
        if (isHeadTooLarge(incoming)) return new Client(response, false, answers).answer(headTooLarge);
        const key = request.getHeader("sec-websocket-key");
        const extensions = request.getHeader("sec-websocket-extensions");
        listeners.onUpgrade(incoming, new UpgradingClient(response, answers, { key, extensions, context, enter }));
      },
      // No more than this: an upgrade that has waited is corked, and behind its cork uWebSockets.js looks into memory that it has
      // freed, and closes the socket where what it finds there looks like "Connection: close". So nothing may be allocated until
      // then. Source: https://github.com/uNetworking/uWebSockets/pull/1929 (July 2026; every release we can install has it).
      open: (ws) => {
        upgraded = ws;
      },
      message: ({ socket }: Known<Data>, message, isBinary) => {
        if (socket !== undefined) listeners.onMessage(socket.data, new Uint8Array(message), isBinary);
      },
      ping: ({ socket }: Known<Data>) => {
        if (socket !== undefined) listeners.onPing?.(socket.data, false);
      },
      pong: ({ socket }: Known<Data>) => {
        if (socket !== undefined) listeners.onPing?.(socket.data, socket.answered());
      },
      // The last moment when a socket that closes can still be asked: `close` comes too late for that. What is sent tells
      // itself that it was dropped; what is published does not, but who it was published to has subscribed.
      subscription: (ws: Known<Data>, _topic, count, countBefore) => {
        const { socket } = ws;
        if (socket !== undefined && !socket.hasEnded && count < countBefore) socket.isSlow ||= isOverLimit(ws, limits.backpressureBytes);
      },
      close: ({ socket }: Known<Data>, code, message) => {
        if (socket === undefined) {
          upgraded = undefined;
          return;
        }
        const fault = code === 1006 ? clientFaultOf(message) : undefined;
        if (fault !== undefined) listeners.onFault?.(socket.data, fault);
        listeners.onClose(socket.data, code, new Uint8Array(message).slice(), code === 1006 && socket.isSlow);
        this.connections--;
        onCount();
      },
    });
  }

  private addRequests(): void {
    const { library, listeners, answers } = this.options;
    this.app.any("/*", (response, request) => {
      if (listeners.isBarred?.(peerOf(response))) return void response.close();
      const incoming = incomingOf(response, request, library.version !== "20.30");
      if (isHeadTooLarge(incoming)) return new Client(response, false, answers).answer({ ...headTooLarge, close: "linger" });
      listeners.onRequest(incoming, new Client(response, incoming.method === "HEAD", answers, isLast(incoming)));
    });
  }
}

/** 20.69 answers by itself; 20.30 has no limit where a head arrives in one piece. */
function isHeadTooLarge(incoming: Incoming): boolean {
  return headBytesOf(incoming) > headLimitBytes;
}

/** RFC 9112, 9.6: the answer says so, too. */
function isLast({ headers }: Incoming): boolean {
  return headers.some(([name, value]) => name === "connection" && /(^|[\s,])close($|[\s,])/i.test(value));
}

const headTooLarge = { status: 431, headers: [], body: "", close: "now" } as const;

/** LIBUS_LISTEN_DEFAULT and LIBUS_LISTEN_EXCLUSIVE_PORT of libusockets.h. */
const sharedPort = 0;
const exclusivePort = 1;

function listenOn(app: uWS.TemplatedApp, host: string, port: number, options: number): Promise<uWS.us_listen_socket> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, options, (listening) => {
      if (listening === false) reject(new Error(`cannot listen on ${host}:${port}`));
      else resolve(listening);
    });
  });
}

function tlsOptions({ certFile, keyFile }: NonNullable<ServerOptions["tls"]>): uWS.AppOptions {
  return { cert_file_name: certFile, key_file_name: keyFile, ssl_ciphers: ciphers.join(":") };
}

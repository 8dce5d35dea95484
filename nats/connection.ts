// A bus over core NATS. Who is let in: security.ts; the socket: transport.ts. Nothing outside of this folder knows the client.

import { setTimeout as pause } from "node:timers/promises";
import type { ConnectionOptions, Msg, NatsConnection } from "nats";
import { NatsConnectionImpl, setTransportFactory } from "nats/lib/nats-base-client.js";
import { nodeResolveHost } from "nats/lib/node_transport.js";
import { usualNatsTimeoutMs } from "../process/settings.ts";
import type { Bus, BusMessage, BusSubscription } from "../protocol/bus.ts";
import type { HistoryStore } from "../protocol/history.ts";
import type { KeyValueStore } from "../protocol/key-value.ts";
import type { LeaseValue } from "../protocol/lease-value.ts";
import type { LockValue } from "../protocol/lock-value.ts";
import type { OneTimeStore } from "../protocol/one-time-store.ts";
import { lockBucketOptions, oneTimeBucketOptions, taskBucketOptions } from "./buckets.ts";
import type { Listener } from "./frames.ts";
import { type HistoryStoreOptions, NatsHistoryStore } from "./history-store.ts";
import { type BucketOptions, NatsKeyValueStore } from "./key-value.ts";
import { NatsOneTimeStore } from "./one-time-store.ts";
import { type BusSecurity, refusalOf, securityOf } from "./security.ts";
import { NatsTransport } from "./transport.ts";

/**
 * What a bus tells of itself. `disconnected` may be followed by `connected`, any number of times. `unreached`: an attempt at the
 * first connection has failed, for another reason than the one before; more follow.
 */
export type BusEvent =
  | { readonly kind: "connected" | "disconnected" }
  | { readonly kind: "fault"; readonly error: unknown }
  | { readonly kind: "unreached"; readonly error: unknown };

export interface BusOptions {
  /** One URL, or several parted by commas. */
  readonly url: string;
  /** Without it: no credentials, and TLS where the server wants it. */
  readonly security?: BusSecurity;
  /** Seen in NATS' own monitoring. */
  readonly name: string;
  readonly onEvent: (event: BusEvent) => void;
  /** How long to wait for the first connection. */
  readonly connectTimeoutMs?: number;
  /** Subjects where NATS answers what is asked of its JetStream; undefined: its client's own. */
  readonly replies?: string;
  /** A server that answers nothing for so long, and up to half as long again, is given up, though nobody has told us of its end. */
  readonly silenceMs?: number;
}

/** A bus with what NATS has besides. */
export interface NatsBus extends Bus {
  /** Where JetStream is on. Nothing is asked of it before the store is used. */
  oneTimeStore(namespace: string): OneTimeStore & Pick<NatsOneTimeStore, "prepare">;
  /** Who runs which task. As above. */
  taskStore(namespace: string): KeyValueStore<LeaseValue> & Pick<NatsKeyValueStore<LeaseValue>, "prepare">;
  /** Who has which lock. As above. */
  lockStore(namespace: string): KeyValueStore<LockValue>;
  /** The same. */
  historyStore(options: HistoryStoreOptions): HistoryStore;
}

const retryMs = 100;
/** That are not answered. */
const pings = 2;

/**
 * Waits for the first connection for ever: a process may start before its NATS does.
 * @throws {CodedError} "config.invalid" where a file of `security` cannot be used, and where the server does not let us in.
 */
export async function connectBus(options: BusOptions): Promise<NatsBus> {
  // What the client's own connect does, but for the transport.
  setTransportFactory({ factory: () => new NatsTransport(), dnsResolveFn: nodeResolveHost });
  const first = {
    ...securityOf(options.url, options.security),
    servers: options.url.split(",").map((server) => server.trim()),
    name: options.name,
    ...(options.replies !== undefined && { inboxPrefix: options.replies }),
    timeout: options.connectTimeoutMs ?? 5_000,
    // For ever, and often: sockets stay open meanwhile, so the first moment it is back counts.
    maxReconnectAttempts: -1,
    // Also where a server that came back does not know us (yet): else the client ends, and the process is deaf for good.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: retryMs,
    reconnectJitter: 100,
    reconnectJitterTLS: 100,
    pingInterval: (options.silenceMs ?? usualNatsTimeoutMs) / pings,
    maxPingOut: pings,
    // A process never wants its own publishes back: it has applied them already.
    noEcho: true,
  };
  const connection = await connectFirst(first, (error) => options.onEvent({ kind: "unreached", error }));
  return new CoreNatsBus(connection, options.onEvent);
}

// Not by the client's own waitOnFirstConnect, which would wait for ever where the server refuses us, and say nothing.
async function connectFirst(options: ConnectionOptions, onFailure: (error: unknown) => void): Promise<NatsConnectionImpl> {
  let last = "";
  for (;;) {
    try {
      return (await NatsConnectionImpl.connect(options)) as NatsConnectionImpl;
    } catch (error) {
      const refusal = refusalOf(error, options.servers);
      if (refusal !== undefined) throw refusal;
      const { message } = error as Error;
      if (message !== last) onFailure(error);
      last = message;
      await pause(retryMs);
    }
  }
}

class CoreNatsBus implements NatsBus {
  private readonly connection: NatsConnectionImpl;
  private readonly onEvent: (event: BusEvent) => void;
  private readonly listeners = new Map<number, Listener>();
  /** Each connection to a server has another. Undefined where it is the client's own: see `attach`. */
  private transport: NatsTransport | undefined;
  private isConnected = true;
  private waiting: Array<() => void> = [];
  private readonly stores: NatsHistoryStore[] = [];

  constructor(connection: NatsConnectionImpl, onEvent: (event: BusEvent) => void) {
    this.connection = connection;
    this.onEvent = onEvent;
    this.transport = this.attach();
    void this.watch();
  }

  get connected(): boolean {
    return this.isConnected;
  }

  whenConnected(): Promise<void> {
    return this.isConnected ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }

  get maxPayloadBytes(): number {
    return this.connection.info?.max_payload ?? 1024 * 1024;
  }

  publish(subject: string, payload: Uint8Array, unheardTo?: string): void {
    if (!this.isConnected) return;
    try {
      // Subscriptions wait in the client until the end of this microtask: nothing may overtake them.
      const { transport } = this;
      const isBehind = this.connection.protocol.outbound.size() > 0 || payload.length > this.maxPayloadBytes;
      if (transport !== undefined && !isBehind) transport.publish(subject, unheardTo, payload);
      else this.connection.publish(subject, payload, unheardTo === undefined ? undefined : { reply: unheardTo });
    } catch (error) {
      this.onEvent({ kind: "fault", error });
    }
  }

  together(publish: () => void): void {
    if (this.transport === undefined) publish();
    else this.transport.together(publish);
  }

  subscribe(subject: string, listener: (message: BusMessage) => void): BusSubscription {
    const hear = (message: BusMessage) => {
      // An exception here would close the client's reader for good, silently.
      try {
        listener(message);
      } catch (error) {
        this.onEvent({ kind: "fault", error });
      }
    };
    const subscription = this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) this.onEvent({ kind: "fault", error });
        else hear(new NatsMessage(message));
      },
    });
    const number = subscription.getID();
    this.listeners.set(number, {
      subject: isPattern(subject) ? undefined : subject,
      hear: (heardAs, payload) => hear(new PlainMessage(heardAs, payload)),
    });
    return {
      unsubscribe: () => {
        this.listeners.delete(number);
        if (!this.connection.isClosed()) subscription.unsubscribe();
      },
    };
  }

  oneTimeStore(namespace: string): NatsOneTimeStore {
    return new NatsOneTimeStore(this.bucket(oneTimeBucketOptions(namespace)));
  }

  taskStore(namespace: string): NatsKeyValueStore<LeaseValue> {
    return this.bucket(taskBucketOptions(namespace));
  }

  lockStore(namespace: string): NatsKeyValueStore<LockValue> {
    return this.bucket(lockBucketOptions(namespace));
  }

  historyStore(options: HistoryStoreOptions): HistoryStore {
    const store = new NatsHistoryStore(this.connection as NatsConnection, options);
    this.stores.push(store);
    return store;
  }

  atEndOfRead(action: () => void): boolean {
    return this.transport?.atEndOfRead(action) ?? false;
  }

  flush(): Promise<void> {
    return this.connection.flush();
  }

  async close(): Promise<void> {
    if (this.connection.isClosed()) return;
    if (this.isConnected) await this.connection.flush().catch(() => undefined);
    // Whoever waits for a connection waits for good: there is none to come.
    this.isConnected = false;
    this.waiting = [];
    await this.connection.close();
  }

  // The client makes transports by what its module was told last: a handler that connects to NATS itself tells it something else,
  // and then ours does all through the client.
  private attach(): NatsTransport | undefined {
    const { transport } = this.connection.protocol;
    if (!(transport instanceof NatsTransport)) return undefined;
    transport.listen(this.listeners);
    return transport;
  }

  private bucket<Value>(options: BucketOptions<Value>): NatsKeyValueStore<Value> {
    return new NatsKeyValueStore(this.connection as NatsConnection, (subject, listener) => this.subscribe(subject, listener), options);
  }

  private async watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      // The client says both again for each attempt that the server refuses after it has answered.
      if (status.type === "disconnect") {
        if (!this.isConnected) continue;
        this.isConnected = false;
        for (const store of this.stores) store.broken();
        this.onEvent({ kind: "disconnected" });
      } else if (status.type === "reconnect") {
        this.transport = this.attach();
        if (this.isConnected) continue;
        this.isConnected = true;
        this.onEvent({ kind: "connected" });
        for (const resolve of this.waiting.splice(0)) resolve();
      } else if (status.type === "error" || status.type === "slowConsumer") {
        this.onEvent({ kind: "fault", error: status });
      }
    }
  }
}

function isPattern(subject: string): boolean {
  return subject.includes("*") || subject.includes(">");
}

/** Without headers. */
class PlainMessage implements BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly isUnheard = false;

  constructor(subject: string, payload: Uint8Array) {
    this.subject = subject;
    this.payload = payload;
  }

  header(): undefined {
    return undefined;
  }
}

class NatsMessage implements BusMessage {
  private readonly message: Msg;

  constructor(message: Msg) {
    this.message = message;
  }

  get subject(): string {
    return this.message.subject;
  }

  get payload(): Uint8Array {
    return this.message.data;
  }

  get isUnheard(): boolean {
    return this.message.headers?.code === 503;
  }

  header(name: string): string | undefined {
    return this.message.headers?.get(name) || undefined;
  }
}

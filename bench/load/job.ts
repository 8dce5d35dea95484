// What a load process is told to do, and what it tells: both as JSON.

import type { Faults } from "./faults.ts";

export type Work =
  /** Each connection keeps `window` messages in flight; the next goes out when an answer has come. */
  | { readonly kind: "echo"; readonly window: number }
  /** So many messages a second from each connection, whether they are answered or not. */
  | { readonly kind: "paced"; readonly rate: number }
  /** The first connection of each topic publishes and keeps `window` of its messages on the way to all of them. */
  | { readonly kind: "publish"; readonly window: number; readonly topics: number }
  /** Connections that do nothing. */
  | { readonly kind: "idle" };

export interface Job {
  readonly host: string;
  readonly port: number;
  /** Where its connections come from; undefined: the system chooses. */
  readonly localAddress?: string;
  /** `:topic` stands for the number of the connection's topic. */
  readonly path: string;
  readonly connections: number;
  readonly payloadBytes: number;
  readonly work: Work;
  /** Whether the server says something when a connection has opened: then that is waited for. */
  readonly isGreeted: boolean;
  /** Until what is counted counts: code gets compiled, buffers grow. */
  readonly warmUpSeconds: number;
  /** null: until it is told to stop. */
  readonly seconds: number | null;
  /** How long what is under way at the end may take: what has not come by then is lost. */
  readonly patienceSeconds: number;
}

/** What a load process is told after that. */
export type Order = "begin" | "stop";

export type Event =
  | ({ readonly event: "open" } & Opening)
  | { readonly event: "measuring" }
  | { readonly event: "measured" }
  | { readonly event: "finished"; readonly outcome: Outcome };

export interface Opening {
  /** From the first attempt to the last one's 101. */
  readonly acceptSeconds: number;
  /** And to the last greeting. */
  readonly greetSeconds: number;
  /** Of the load process, meanwhile. */
  readonly cpuSeconds: number;
}

export interface Outcome {
  /** That came back, or were delivered, in `seconds`. */
  readonly messages: number;
  readonly seconds: number;
  /** Of the load process, meanwhile. */
  readonly cpuSeconds: number;
  /** Zeros where nothing was timed. */
  readonly latency: Latency;
  readonly faults: Faults;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly longestMs: number;
}

// How a gateway that lets nobody in any more comes to an end: everyone is closed, and what is under way is waited for.

import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { errorTable } from "../protocol/errors.ts";
import type { GatewayConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import { ConnectionDrain } from "./connection-drain.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Frontend } from "./frontend.ts";
import type { History } from "./history/history.ts";
import type { Locks } from "./locks/locks.ts";
import type { PeerGateways } from "./peer-gateways.ts";
import type { PipeClient } from "./pipes/pipe-client.ts";

/** Until other gateways have said whether they end too, then how often it is looked who may be closed. */
const togetherMs = 30;
const drainStepMs = 5;
/** Of DRAIN_MS: then everybody is closed, and the rest is for their onClose. */
const closeShare = 0.75;
/**
 * Once all are closed, for how long clients that speak HTTP may fetch what waits: through another gateway, and on TCP connections that
 * they have. And for how long those of other gateways' sessions may wait for an answer that comes through this one.
 */
const fetchMs = 5_000;
const fetchAloneMs = 500;

export interface ShutdownOptions {
  readonly config: Pick<GatewayConfig, "DRAIN_MS" | "CLOSE_BATCH" | "CLOSE_PAUSE_MS">;
  readonly dispatcher: Dispatcher;
  readonly frontend: Frontend;
  readonly history: Pick<History, "outbox">;
  readonly locks: Pick<Locks, "size">;
  readonly peers: PeerGateways;
  readonly now: () => number;
  readonly log: Logger;
}

/** Closes everyone once their begun turns have committed, and waits until their onClose has run; at most DRAIN_MS. */
export async function closeEveryone({ config, dispatcher, frontend, history, locks, peers, now, log }: ShutdownOptions): Promise<void> {
  const { DRAIN_MS, CLOSE_BATCH, CLOSE_PAUSE_MS } = config;
  const deadline = now() + DRAIN_MS;
  // Until gateways that end together have heard of each other.
  await pause(Math.min(togetherMs, DRAIN_MS));
  const { sessions, pipes } = frontend;
  const connectionDrain = new ConnectionDrain<Connection | PipeClient>({
    now,
    connections: () => both(dispatcher.all(), pipes.clients),
    open: () => Object.values(dispatcher.routes).reduce((sum, count) => sum + count, pipes.clients.size),
    hasPeer: () => peers.areThere,
    limits: { batch: CLOSE_BATCH, pauseMs: CLOSE_PAUSE_MS, closeMs: DRAIN_MS * closeShare },
    close: ({ socket }, code) => socket?.end(errorTable[code].close, code),
    onBatch: (connections, left) => log.info({ connections, left }, "connections are told to leave"),
  });
  sessions.relay.asked.drain(Math.min(fetchMs, DRAIN_MS * closeShare));
  let closedAt: number | undefined;
  const isFetching = () => {
    if (dispatcher.size === 0) closedAt ??= now();
    const isLate = closedAt !== undefined && now() - closedAt >= (peers.areThere ? fetchMs : fetchAloneMs);
    return !isLate && sessions.unfetched > 0;
  };
  const isBusy = () =>
    dispatcher.size > 0 ||
    pipes.isBusy ||
    frontend.upgrades.parked > 0 ||
    frontend.writing > 0 ||
    !history.outbox.isEmpty ||
    locks.size > 0 ||
    sessions.relay.waiting > 0 ||
    isFetching();
  while (isBusy() && now() < deadline) await (connectionDrain.step() ? nextTurn() : pause(drainStepMs));
  const { writing: answers } = frontend;
  if (answers > 0) log.warn({ answers }, "ended before every answer was whole: their clients are cut off");
  const { unfetched } = sessions;
  if (unfetched > 0) log.warn({ sessions: unfetched }, "ended before clients had fetched what was left for them: it is lost");
  const { bytes } = history.outbox;
  if (bytes > 0) log.warn({ bytes }, "ended before everything was stored that was to be kept: it is lost");
  if (locks.size > 0) log.warn({ locks: locks.size }, "ended before every lock was given back: the next gateway does");
  if (dispatcher.size > 0) log.warn({ connections: dispatcher.size }, "ended before every onClose had run");
}

function* both<A, B>(first: Iterable<A>, second: Iterable<B>): Generator<A | B> {
  yield* first;
  yield* second;
}

// What a gateway measures, for Prometheus. Everything is counted where it happens, as a plain number; here it gets its name.
// Whoever watches thinstate relies on these names: docs/grafana.json and docs/alerts.yml are compared with them by a test.

import { durationMetric } from "../process/durations.ts";
import { by, counter, gauge, type Labels, type Metric } from "../process/metric.ts";
import type { Gateway } from "./gateway.ts";
import { parkedEventBytes } from "./parking.ts";

export function gatewayMetrics(gateway: Gateway): Metric[] {
  return [
    ...clientMetrics(gateway),
    ...sessionMetrics(gateway.frontend),
    ...certificateMetrics(gateway),
    ...dispatchMetrics(gateway),
    ...handoverMetrics(gateway),
    ...topicMetrics(gateway),
    ...historyMetrics(gateway),
    ...workerMetrics(gateway),
    ...natsMetrics(gateway),
  ];
}

function clientMetrics(gateway: Gateway): Metric[] {
  const { counters, clients, slots, dispatcher, commits, settings } = gateway;
  const { upgrades } = gateway.frontend;
  return [
    gauge(
      "thinstate_connections",
      "Open connections, by the path pattern of the handler that has them; empty: none yet.",
      by("route", gateway.dispatcher.routes),
    ),
    counter("thinstate_connections_opened_total", "Connections that were let in.", slots.opened),
    counter(
      "thinstate_connections_broken_total",
      "Connections that were closed for an error, by its code: see docs/errors.md.",
      by("code", clients.broken),
    ),
    gauge("thinstate_connections_limit", "How many connections may be open: CONNECTIONS.", settings.config.CONNECTIONS),
    counter(
      "thinstate_client_limits_passed_total",
      "How often a limit was passed, by whose limit it is (connection, address, user) and of what: see docs/limits.md.",
      clients.limits.passedBy(),
    ),
    gauge("thinstate_client_addresses", "Addresses whose use is remembered.", clients.limits.addresses.size),
    counter(
      "thinstate_slow_consumers_total",
      "Connections that were closed because they read too slowly (BACKPRESSURE_BYTES, BACKPRESSURE_TOTAL_BYTES, BACKPRESSURE_MS).",
      counters.slowConsumers,
    ),
    gauge("thinstate_backpressure_bytes", "Bytes that wait for clients which have not read them yet.", gateway.clients.slowClients.bytes),
    gauge(
      "thinstate_backpressure_limit_bytes",
      "What they may be: BACKPRESSURE_TOTAL_BYTES.",
      gateway.settings.config.BACKPRESSURE_TOTAL_BYTES,
    ),
    gauge("thinstate_backpressure_connections", "Connections whose clients have not read all of it yet.", gateway.clients.slowClients.size),
    counter("thinstate_messages_in_total", "Messages from clients.", dispatcher.counters.messagesIn),
    counter("thinstate_messages_in_bytes_total", "Bytes of messages from clients.", dispatcher.counters.bytesIn),
    counter(
      "thinstate_messages_out_total",
      "Messages that turns have sent to their own client, without publishes.",
      commits.counters.messagesOut,
    ),
    counter("thinstate_messages_out_bytes_total", "Bytes of messages that turns have sent to their own client.", commits.counters.bytesOut),
    counter(
      "thinstate_upgrades_total",
      "Upgrades that have ended: accepted, refused by the handler, or an error's code.",
      by("outcome", upgrades.outcomes.upgrade.counts),
    ),
    counter(
      "thinstate_requests_total",
      "Plain HTTP requests that have ended: the answer's status, or an error's code.",
      by("outcome", upgrades.outcomes.request.counts),
    ),
  ];
}

function sessionMetrics({ sessions, pipes }: Gateway["frontend"]): Metric[] {
  const { open, receiving, frames, bytes } = sessions.present;
  return [
    gauge("thinstate_sessions", "Open connections over HTTP.", open),
    gauge(
      "thinstate_sessions_receiving",
      "Connections over HTTP with a request that receives, or one whose answer is not read.",
      receiving,
    ),
    gauge("thinstate_sessions_waiting_frames", "Frames that wait for such requests, also of connections that have closed.", frames),
    gauge("thinstate_sessions_waiting_bytes", "Their bytes, and what was given to requests that have not read it.", bytes),
    gauge(
      "thinstate_sessions_passed_requests",
      "Requests for connections over HTTP of other gateways that are not answered.",
      sessions.relay.asked.waiting,
    ),
    gauge(
      "thinstate_sessions_piped",
      "WebSockets of sessions that began over HTTP at another gateway than they have reached: at which end this one is.",
      by("end", { client: pipes.clients.size, session: pipes.fromOthers }),
    ),
    counter(
      "thinstate_sessions_ended_total",
      "Connections over HTTP that have closed, and why; moved: a WebSocket has taken the place of one.",
      by("why", { ...sessions.ended, moved: sessions.moves.moved }),
    ),
  ];
}

function certificateMetrics({ settings: { certificate } }: Gateway): Metric[] {
  const expiresAt = certificate === undefined ? [] : [[{}, certificate.expiresAt / 1000] as const];
  return [
    gauge(
      "thinstate_certificate_expires_seconds",
      "When the TLS certificate expires, in seconds since 1970; missing without TLS.",
      expiresAt,
    ),
  ];
}

function dispatchMetrics({ dispatcher, commits, frontend: { upgrades }, settings, counters }: Gateway): Metric[] {
  return [
    gauge("thinstate_serving", "1 while a worker of the active release is there; else everything parks.", Number(dispatcher.serving)),
    gauge("thinstate_draining", "1 while the gateway takes leave of its clients.", Number(upgrades.isDraining)),
    gauge("thinstate_parked_messages", "Messages, opens and closes that wait for a worker.", dispatcher.parking.events),
    gauge(
      "thinstate_parked_bytes",
      `What they take, ${parkedEventBytes} bytes for each and their own, and the bodies of requests.`,
      dispatcher.parking.bytes,
    ),
    gauge("thinstate_parked_limit_bytes", "What they may take: PARKED_TOTAL_BYTES.", settings.config.PARKED_TOTAL_BYTES),
    gauge("thinstate_parked_upgrades", "Upgrades and plain requests that wait for a worker or its answer.", upgrades.parked),
    counter("thinstate_commits_total", "Turns, and flushes of turns, that were applied.", commits.counters.commits),
    counter("thinstate_commits_refused_total", "Commits of workers that the connection was not with any more.", commits.counters.refused),
    counter(
      "thinstate_redelivered_total",
      "Events that were given to another worker after the first had died.",
      dispatcher.counters.redelivered,
    ),
    counter("thinstate_discarded_total", "Messages that were discarded since a bound was passed.", dispatcher.counters.discarded),
    counter("thinstate_poison_total", "Events that were set aside since they kill workers.", dispatcher.counters.poison),
    counter(
      "thinstate_closes_abandoned_total",
      "Connections whose onClose did not run: a forced deploy left no handler for them, or bugs met them twice.",
      dispatcher.counters.abandoned,
    ),
    counter("thinstate_bugs_total", "Bugs that met one connection, which was closed.", counters.bugs),
  ];
}

function handoverMetrics({ dispatcher }: Gateway): Metric[] {
  const { handover, counters } = dispatcher;
  return [
    counter("thinstate_handovers_total", "Connections that were moved between workers, between two of their turns.", counters.handedOver),
    gauge("thinstate_handovers_pending", "Connections that have not moved to the workers that should have them.", dispatcher.remaining),
    durationMetric("thinstate_handover_pause_seconds", "How long a connection that moved was with no worker.", [[{}, handover.allPauses]]),
  ];
}

function topicMetrics({ dispatcher, topics, members, locks, clients, settings }: Gateway): Metric[] {
  const { published, received, external, missed } = topics.counters;
  return [
    gauge("thinstate_topics", "Topics that have a subscriber here.", topics.size),
    gauge("thinstate_topics_limit", "How many may have one: TOPICS.", settings.config.TOPICS),
    gauge("thinstate_subscriptions", "Topics of all connections together.", topics.subscriptions),
    gauge("thinstate_subscriptions_limit", "How many they may be: SUBSCRIPTIONS.", settings.config.SUBSCRIPTIONS),
    gauge(
      "thinstate_timers",
      "Timers that have not come due, and those that have and wait for a worker.",
      by("state", { set: clients.timers.size, waiting: dispatcher.parking.timers }),
    ),
    gauge("thinstate_timers_limit", "How many they may be: TIMERS.", settings.config.TIMERS),
    counter("thinstate_timers_due_total", "Timers that have come due.", clients.timers.counters.due),
    counter(
      "thinstate_timers_dropped_total",
      "Timers that had come due and had no turn: their handler has no onTimer (unhandled), or their connection was closed for an error.",
      by("reason", dispatcher.counters.timersDropped),
    ),
    counter(
      "thinstate_published_events_total",
      "Messages of topics that went to handlers' onPublish, each once for each connection.",
      clients.hooks.counters.events,
    ),
    counter(
      "thinstate_published_events_dropped_total",
      "Of them those that had no turn: their handler has no onPublish (unhandled), or their connection was closed for an error.",
      by("reason", dispatcher.counters.publishedDropped),
    ),
    gauge("thinstate_heartbeats", "Connections whose handler has set a heartbeat.", clients.heartbeats.size),
    counter("thinstate_heartbeats_sent_total", "Heartbeats that were sent.", clients.heartbeats.counters.sent),
    counter(
      "thinstate_heartbeats_unanswered_total",
      "Connections that were closed since their client did not answer a heartbeat in time.",
      clients.heartbeats.counters.unanswered,
    ),
    gauge("thinstate_locks", "Locks that connections have, or wait for.", locks.size),
    gauge("thinstate_locks_limit", "How many they may be: LOCKS.", settings.config.LOCKS),
    counter(
      "thinstate_locks_total",
      "Wishes for locks: taken; missed, since others had it for as long as it was waited for; lost, though it was taken.",
      by("outcome", locks.counters),
    ),
    gauge("thinstate_members", "Members of topics: a connection counts once for each.", members.size),
    gauge("thinstate_member_bytes", "What they tell of themselves, and 128 bytes for each.", members.bytes),
    gauge("thinstate_member_limit_bytes", "What that may be: MEMBER_BYTES.", settings.config.MEMBER_BYTES),
    counter(
      "thinstate_publishes_total",
      "Publishes of turns and of app.publish, each once, however many subscribers there are.",
      published,
    ),
    counter("thinstate_publishes_received_total", "Publishes from elsewhere to topics that have a subscriber here.", [
      [{ from: "gateway" }, received],
      [{ from: "outside" }, external],
    ]),
    counter("thinstate_publishes_missed_total", "Batches of publishes that a NATS fault has swallowed for good.", missed),
  ];
}

function historyMetrics({ history: { outbox, topics }, settings }: Gateway): Metric[] {
  const { kept, retried, failed } = outbox.counters;
  const { received, read, missed } = topics.counters;
  return [
    counter("thinstate_history_publishes_total", "Publishes with keep that have ended, by what became of them.", [
      [{ outcome: "stored" }, kept],
      [{ outcome: "failed" }, failed],
    ]),
    counter("thinstate_history_retries_total", "How often one was sent to JetStream again.", retried),
    gauge("thinstate_history_pending_bytes", "What waits to be stored, 256 bytes for each and its own.", outbox.bytes),
    gauge("thinstate_history_pending_limit_bytes", "What that may be: HISTORY_PENDING_BYTES.", settings.config.HISTORY_PENDING_BYTES),
    counter("thinstate_history_received_total", "What JetStream has stored of topics that have a subscriber here.", received),
    counter("thinstate_history_reads_total", "How often a topic's history was read for subscribers.", read),
    counter("thinstate_history_missed_total", "Gaps in what was received that JetStream could not fill any more.", missed),
  ];
}

function workerMetrics({ id, dispatcher, backend: { workers } }: Gateway): Metric[] {
  const { activation } = dispatcher;
  const all = [...workers.all()];
  const each = (value: (worker: (typeof all)[number]) => number) =>
    all.map((worker): readonly [Labels, number] => [{ worker: worker.id, release: worker.release }, value(worker)]);
  return [
    gauge("thinstate_gateway_info", "Always 1: who answers here.", [[{ gateway: id, node: process.versions.node }, 1]]),
    gauge(
      "thinstate_release_info",
      "Always 1: the active release.",
      activation === undefined ? [] : [[{ release: activation.release }, 1]],
    ),
    gauge("thinstate_release_generation", "Grows with each activation.", activation?.generation ?? 0),
    gauge(
      "thinstate_worker_info",
      "Always 1: a linked worker. active: it gets work; standby: it belongs to another release; draining: it gives its work back.",
      all.map((worker) => {
        const state = worker.isDraining ? "draining" : worker.release === activation?.release ? "active" : "standby";
        return [{ worker: worker.id, release: worker.release, state }, 1];
      }),
    ),
    gauge(
      "thinstate_worker_connections",
      "Connections of this gateway that are pinned to a worker.",
      each(({ pins }) => pins),
    ),
    gauge(
      "thinstate_worker_events_in_flight",
      "Messages, opens and closes that a worker was given and has not committed.",
      each(({ inFlight }) => inFlight),
    ),
  ];
}

function natsMetrics({ counters, commits, backend: { connected, faults, hub } }: Gateway): Metric[] {
  const { retransmitted, doubles, gaps, refused } = hub.counters;
  return [
    gauge("thinstate_nats_connected", "1 while NATS is there.", Number(connected)),
    counter("thinstate_nats_reconnects_total", "How often it came back.", counters.reconnects),
    counter("thinstate_link_retransmitted_batches_total", "Batches that were sent to workers again.", retransmitted),
    counter("thinstate_link_doubled_batches_total", "Batches that came twice, and were dropped.", doubles),
    counter("thinstate_link_gaps_total", "Batches that came out of order, and were asked for again.", gaps),
    counter("thinstate_link_refused_batches_total", "Batches that belong to no life of a link.", refused),
    counter("thinstate_malformed_records_total", "Records from workers that could not be read, and effects of an unknown kind.", [
      [{ part: "record" }, counters.malformed],
      [{ part: "effect" }, commits.counters.unknownEffects],
    ]),
    counter("thinstate_faults_total", "What came over NATS and could not be read, by its error's code.", by("code", faults.counts)),
  ];
}

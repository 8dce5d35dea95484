// Who is there: hellos that are repeated as heartbeats, and the one record that says which release is active. A pure
// encoding; who reacts how is the dispatcher's and the supervisor's business.

import { pack, unpack } from "msgpackr";
import * as v from "valibot";
import { protocolVersion } from "./envelope.ts";
import { CodedError } from "./errors.ts";
import { messageRate } from "./message-rate.ts";

/** How often a member repeats its hello. */
export const heartbeatMs = 1_000;

/** A member that was not heard for longer is silent: two heartbeats may be late, or lost. */
export const silentMs = 3.5 * heartbeatMs;

/** Which release gets the work. The highest generation wins; everyone repeats the highest that it has heard of. */
const activation = v.object({
  release: v.pipe(v.string(), v.nonEmpty()),
  generation: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 52)),
  /**
   * For so long whoever has activated it goes back where one of its workers dies. Missing: nobody does. Only the one who watches says so: who
   * hears of it later, from others, cannot know whether that one is still there.
   */
  trialMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(600_000))),
});

/** What a gateway has to know of a route before a worker is asked. */
export const routeHello = v.object({
  /** As in defineHandler: `/chat/:room`. */
  path: v.string(),
  /** Allowed Origin headers, as isOriginPattern has them; undefined: the installation's own hosts only. */
  origins: v.optional(v.array(v.string())),
  /** Whether clients that send no Origin are refused. Missing: they are not. */
  requireOrigin: v.optional(v.boolean()),
  subprotocols: v.array(v.string()),
  /** Whether a worker is asked before an upgrade. */
  upgrades: v.boolean(),
  /** Whether the route answers plain HTTP. */
  answers: v.boolean(),
  /** Whether it wants a turn of its own when it adopts a connection. */
  adopts: v.boolean(),
  /** Whether it wants a turn of its own when a connection's `expiresAt` has come. Missing in hellos of versions that have none. */
  expires: v.optional(v.boolean()),
  /** Whether it has turns for timers. Missing in hellos of versions that have none. */
  timers: v.optional(v.boolean()),
  /** Whether it has turns for what is published. Missing: it has none. */
  publishes: v.optional(v.boolean()),
  /** How many messages a connection may send. Missing: as many as any other. */
  messages: v.optional(messageRate),
});

/** What a gateway's or worker's id looks like. */
export const memberId = /^[A-Za-z0-9_-]{1,64}$/;

const member = { id: v.pipe(v.string(), v.regex(memberId)), pid: v.number(), host: v.string(), protocol: v.number() };

/**
 * What a worker's handlers have done since its start: turns that are done with, each once, and of them those whose hook threw,
 * and those of these that were cut off. The same of what was answered before there is a connection: upgrades and plain HTTP.
 */
const workerCounts = v.object({
  turns: v.number(),
  thrown: v.number(),
  timedOut: v.number(),
  answers: v.number(),
  /** Answered with 500. */
  failed: v.number(),
});

/** More sources that threw, and four times as many that were heard, make no difference to a deploy's watch. */
export const mostThrew = 10;
export const mostHeard = 4 * mostThrew;

/** As numbers, the first sources that a worker's clients spoke as, users or addresses, and those whose turns or requests threw. */
const workerAddresses = v.object({
  heard: v.pipe(v.array(v.number()), v.maxLength(mostHeard)),
  threw: v.pipe(v.array(v.number()), v.maxLength(mostThrew)),
});

/**
 * A worker's onStart. off: it does not run. starting: it has not returned. on: it has, or has failed: the worker takes work.
 * ending: its signal has aborted, and not all of it has settled.
 */
const onStart = v.object({
  phase: v.picklist(["off", "starting", "on", "ending"]),
  /** How often one has thrown, or taken too long. */
  failed: v.number(),
});

/** What a worker has found of the states that it would have to adopt. */
const stateCheck = v.object({
  /** Of the last one that was asked for; 0: none was. */
  number: v.number(),
  isDone: v.boolean(),
  /** States that were tried. */
  tried: v.number(),
  /** Those that neither fit nor migrate, alike ones together. */
  unfit: v.array(v.object({ route: v.string(), message: v.string(), connections: v.number() })),
});

const worker = v.object({
  kind: v.literal("worker"),
  ...member,
  release: v.string(),
  state: v.picklist(["ready", "draining"]),
  routes: v.array(routeHello),
  connections: v.number(),
  /** Missing in hellos of versions that do not count. */
  counts: v.optional(workerCounts),
  /** Missing in hellos of versions that do not tell. */
  addresses: v.optional(workerAddresses),
  /** How often it has lost its connection to NATS and come back: what it was silent for then. */
  reconnects: v.optional(v.number()),
  /** Whether it answers a gateway that asks for its metrics. */
  metrics: v.optional(v.boolean()),
  /** Missing where no handler has one: the worker takes work at once. */
  onStart: v.optional(onStart),
  /** Missing in hellos of versions that cannot try states. */
  stateCheck: v.optional(stateCheck),
  /** The tasks that run in it, with the fence of each. Missing in hellos of versions that have none. */
  tasks: v.optional(v.record(v.string(), v.number())),
  activation: v.optional(activation),
});

/** What moving connections from worker to worker has cost since the generation was activated. */
const handover = v.object({
  generation: v.number(),
  /** Connections when the generation was activated. */
  before: v.number(),
  /** Not yet on the worker that should have them: of another release, of one that drains, or of one that has more than its share. */
  remaining: v.number(),
  moved: v.number(),
  parked: v.number(),
  redelivered: v.number(),
  /** By error code: those that the release has closed for an error of its own, or that a forced deploy has. Missing: not counted. */
  closed: v.optional(v.record(v.string(), v.number())),
  /** There are workers, and they have received all that was moved to them: what they close for its state is closed. Missing: not known. */
  adopted: v.optional(v.boolean()),
  /** Pauses by bucket, as in histogram.ts: how long a connection's messages could not be delivered. */
  pauses: v.array(v.number()),
  longestPauseMs: v.number(),
});

/** What a worker had in hand: connections by path pattern of their route, and some of their ids; what else it was asked. */
const underWay = v.object({
  routes: v.record(v.string(), v.number()),
  connections: v.array(v.string()),
  /** For people, how often each: "onRequest of /chat/:room". Missing in hellos of versions that do not tell. */
  asked: v.optional(v.record(v.string(), v.number())),
});

const gateway = v.object({
  kind: v.literal("gateway"),
  ...member,
  port: v.number(),
  adminPort: v.number(),
  startedAt: v.number(),
  connections: v.number(),
  parked: v.number(),
  messagesIn: v.number(),
  messagesOut: v.number(),
  /** Whether it takes leave of its clients, and takes no new ones. */
  draining: v.optional(v.boolean()),
  /** Whether it tells a worker which states it keeps. */
  tellsStates: v.optional(v.boolean()),
  /** Whether it hears workers on the subjects that are theirs alone. */
  hearsWorkers: v.optional(v.boolean()),
  /** See level.ts. Missing: 0. */
  level: v.optional(v.number()),
  /** How long the oldest request has waited that no worker has answered; missing: none does. */
  unansweredMs: v.optional(v.pipe(v.number(), v.minValue(0))),
  /** Whether a message could be answered: a worker of the active release is linked. */
  serving: v.boolean(),
  /** Open connections by path pattern of the release that serves them. */
  routes: v.record(v.string(), v.number()),
  /** Pins by worker id. */
  pins: v.record(v.string(), v.number()),
  /** By worker id: those that are taken for dead because they are silent, with what they had in hand. */
  silent: v.optional(v.record(v.string(), underWay)),
  handover: v.optional(handover),
  activation: v.optional(activation),
});

const announcement = v.variant("kind", [
  worker,
  gateway,
  /** Please say hello now: somebody has just started. */
  v.object({ kind: v.literal("ask") }),
  v.object({ kind: v.literal("activate"), activation }),
  /** A worker is to try whether it could adopt what is open on these gateways now: see its hello. */
  v.object({
    kind: v.literal("checkStates"),
    worker: v.string(),
    number: v.pipe(v.number(), v.integer(), v.minValue(1)),
    gateways: v.array(v.string()),
  }),
  /** A member said goodbye, or its supervisor saw it end (`exited`). */
  v.object({ kind: v.literal("gone"), id: v.string(), reason: v.picklist(["bye", "exited"]) }),
]);

export type Activation = v.InferOutput<typeof activation>;
export type RouteHello = v.InferOutput<typeof routeHello>;
export type OnStartHello = v.InferOutput<typeof onStart>;
export type WorkerCounts = v.InferOutput<typeof workerCounts>;
export type WorkerAddresses = v.InferOutput<typeof workerAddresses>;
export type WorkerHello = v.InferOutput<typeof worker>;
export type StateCheck = v.InferOutput<typeof stateCheck>;
export type GatewayHello = v.InferOutput<typeof gateway>;
export type UnderWay = v.InferOutput<typeof underWay>;
export type Handover = v.InferOutput<typeof handover>;
export type Announcement = v.InferOutput<typeof announcement>;

/** One version byte, the letter M, then msgpack. */
export function encodeAnnouncement(body: Announcement): Uint8Array {
  const packed = pack(body);
  const bytes = new Uint8Array(packed.length + 2);
  bytes[0] = protocolVersion;
  bytes[1] = 0x4d;
  bytes.set(packed, 2);
  return bytes;
}

/**
 * @throws {CodedError} "envelope.version" or "envelope.malformed"; nothing else, whatever the bytes are.
 */
export function decodeAnnouncement(bytes: Uint8Array): Announcement {
  if (bytes.length < 3 || bytes[1] !== 0x4d) throw new CodedError("envelope.malformed", "not an announcement");
  if (bytes[0] !== protocolVersion) throw new CodedError("envelope.version", `announcement of version ${bytes[0]}`);
  let body: unknown;
  try {
    body = unpack(bytes.subarray(2));
  } catch (cause) {
    throw new CodedError("envelope.malformed", "an announcement is not msgpack", { cause });
  }
  const parsed = v.safeParse(announcement, body);
  if (!parsed.success) throw new CodedError("envelope.malformed", `an announcement lacks ${v.getDotPath(parsed.issues[0]) ?? "its kind"}`);
  return parsed.output;
}

export function withoutTrial({ release, generation }: Activation): Activation {
  return { release, generation };
}

/** No installation deploys so often while one of its processes looks away. */
const leapLimit = 2 ** 20;
/** However far a first word is ahead, this many deploys can follow it. */
const firstLimit = 2 ** 52 - 2 ** 40;

/**
 * The later of two activations. One that is far ahead of what is known is a mistake or a forgery, and no later one: generations have
 * an end, behind which nothing could be activated any more.
 * @param known What this process goes by.
 */
export function laterActivation(known: Activation | undefined, heard: Activation | undefined): Activation | undefined {
  if (heard === undefined) return known;
  if (known === undefined) return heard.generation <= firstLimit ? heard : undefined;
  const leap = heard.generation - known.generation;
  return leap > 0 && leap <= leapLimit ? heard : known;
}

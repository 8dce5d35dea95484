// What a record of a batch can say, and the msgpack bodies of those that are rare. docs/wire.md tells the same in prose.

import * as v from "valibot";
import { bytes, length, ownBytes, parser } from "./record-body.ts";
import { sessionKey } from "./session-key.ts";

/** Gateway to worker. `slot` and `epoch` name a pin, but for upgrade, request and result: there slot counts requests. */
export const toWorker = {
  /** This connection is yours: body PinBody. Events follow. */
  pin: 1,
  /** Events. Each is answered by one commit, in order. extra: how often its turn had flushed before its worker died. */
  open: 2,
  message: 3,
  /** Payload: u16 close code, reason. */
  close: 4,
  adopt: 5,
  /** Finish the turn that has begun, give the rest back: answered by `released`. */
  unpin: 6,
  /** A flush has been applied. */
  flushed: 7,
  /** May this client connect? Body UpgradeBody, answered by `upgraded`. */
  upgrade: 8,
  /** Plain HTTP. Body RequestBody, answered by `responded`. */
  request: 9,
  /** What became of a `command`: body a count; of "connections" and "userConnections", OpenBody; of "members", MembersBody; or why not. */
  result: 10,
  /** A flush was refused: its pin is over, and nothing that is said of it counts. */
  refused: 11,
  /** So many bytes of a streamed body have been taken: body a number. */
  credit: 12,
  /** Nobody waits for the answer to an upgrade or a request any more, streamed or not. */
  cancel: 13,
  /** Directly before a pin, with its slot and epoch: the state that this worker's release had left. Payload: as of `state`. */
  earlier: 14,
  /** Answers `askStates`: body StatesBody. */
  states: 15,
  /** A gateway has ended without a word, and nobody may have run onClose. slot: the question's number; body its id. Answered by `gatewayLostHandled`. */
  gatewayLost: 16,
  /** An event, as those above: the connection's `expiresAt` has come. Only to workers whose route has `expires`. */
  expire: 17,
  /** An event, as those above: a timer has come due. Payload: u32 number, name. Only to workers whose route has `timers`. */
  timer: 18,
  /** An event, as those above: something was published to a topic of `subscribeHook`. Payload: as encodePublished has it. Only to workers whose route has `publishes`. */
  published: 19,
} as const;

/** Worker to gateway. */
export const toGateway = {
  /** Effects: they wait until a record with the commit or flush flag ends the group. */
  send: 32,
  /** Payload: u16 topic bytes, topic, data. */
  publish: 33,
  subscribe: 34,
  unsubscribe: 35,
  /** Payload: the new state, msgpack; empty: none. */
  state: 36,
  /** extra: the close code; payload: the reason. */
  close: 37,
  /** Ends a group that has no other effect to carry its flag. */
  nothing: 38,
  /** The worker has the connection no more: it was asked back; or, with the flag broken, a bug met it. */
  released: 39,
  upgraded: 40,
  responded: 41,
  /** app.*: body CommandBody, answered by `result`. */
  command: 42,
  /** An event that is to run alone begins: nothing else runs in this worker, whoever sent it. */
  begins: 43,
  /** A Response whose body follows in `chunk` records: body RespondingBody. Answers upgrade or request. */
  responding: 44,
  /** Payload: the next bytes of the body. */
  chunk: 45,
  /** Ends the body; with the flag broken it is not whole. */
  ended: 46,
  /** Which states would this worker have to adopt, from this slot on? Body a number; answered by `states`. */
  askStates: 47,
  /** Answers `gatewayLost`: body how many of the handlers' hooks have failed. */
  gatewayLostHandled: 48,
  /** An effect, as those above: who the client is, and for how long. Body IdentityBody. Only of pins that have `expiresAt`. */
  identity: 49,
  /** The connection is a member of a topic that it subscribes to. Payload: as of publish, with what others are told of it, JSON. */
  member: 50,
  /** Sets a timer. Payload: u32 milliseconds, u32 number, name. */
  timer: 51,
  /** Clears it. Payload: the name. */
  noTimer: 52,
  /** A publish that some connections do not get. Payload: as encodePublishExcept has it. */
  publishExcept: 53,
  /** A publish that its topic keeps. Payload: as encodePublishKept has it. */
  publishKept: 54,
  /** A subscription that begins with the latest that the topic keeps. Payload: u16 how many, topic. */
  subscribeLast: 55,
  /** An effect: the lock that the command `lock` has taken for the connection is kept. Payload: its name. */
  keepLock: 56,
  /** It is given back. Payload: its name. */
  unlock: 57,
  /** A subscription whose messages become events of the connection, and no frames for its client. Payload: the topic. */
  subscribeHook: 58,
  /** The connection has this heartbeat from now on. Payload: msgpack, see heartbeat.ts; empty: none. */
  heartbeat: 59,
  /** A publish of frames that belong together. Payload: as of publishExcept, with the frames as encodeTogether has them. */
  publishTogether: 60,
  /** Frames for the connection that belong together. Payload: as encodeTogether has it. */
  sendTogether: 61,
  /** Answers `request` by a connection over HTTP: body SessionBody, see session.ts. */
  session: 62,
  /** Receivers of the session beside which this connection opened get this frame alone, until it has moved or ended. Payload: the frame, text. */
  pauseSession: 63,
  /** The last effect of a turn: the WebSocket is the session's from now on. */
  moveToSession: 64,
  /** An effect: the client's message holds so many more. extra: how many. */
  countMessages: 65,
  /** A subscription that begins with what the topic keeps behind a position. Payload: u8 position bytes, position, topic. */
  subscribeAfter: 66,
  /** An effect: for so long a hand-over leaves the connection with this worker. extra: milliseconds, 10,000 at most; 0: no longer. */
  stay: 67,
} as const;

export const flag = {
  /** The payload is a binary frame, not text. */
  binary: 1,
  /** The last record of a turn: apply the group and take its event as done. */
  commit: 2,
  /** The last record of an early commit: apply the group; the event goes on. */
  flush: 4,
  /** The event was given to a worker before, and that one died. */
  redelivered: 8,
  /** Publish to the sender too. */
  self: 16,
  /** The event may have killed workers: it is to run with nothing beside it, and `begins` is to be said before. */
  alone: 32,
  /** The body of a Response ends before it is whole; a connection was not asked back. */
  broken: 64,
  /** Of `state`: it follows from another release's by that of `migrate`. */
  migrated: 128,
} as const;

/** Whether turns' ids count an event: what the server itself makes of a connection has no number. */
export function isCounted(type: number): boolean {
  return type !== toWorker.adopt && type !== toWorker.expire && type !== toWorker.timer && type !== toWorker.published;
}

/** What a worker may send of a streamed body beyond what the gateway has given it credit for. */
export const responseWindowBytes = 256 * 1024;
/** One record of a streamed body at most. */
export const responseChunkBytes = 64 * 1024;

/** Milliseconds since 1970; 0: never. */
const time = v.pipe(v.number(), v.finite(), v.minValue(0));

const pin = v.object({
  id: v.string(),
  path: v.string(),
  query: v.string(),
  ip: v.string(),
  user: v.optional(v.string()),
  subprotocol: v.string(),
  state: v.optional(bytes),
  topics: v.array(v.string()),
  /** Those of them whose messages are events. Missing: none. */
  hooked: v.optional(v.array(v.string())),
  /** The number of the next event: turn ids go on where they were. */
  next: v.number(),
  /**
   * Whether another worker has had it before. Nobody reads it, but workers of 0.2.0 refuse a pin without it, and a rollback may bring
   * those back: it stays for as long as 0.2 can be updated to the present version.
   */
  adopted: v.optional(v.boolean()),
  /** Milliseconds since 1970; 0: the connection does not expire. Missing: this gateway does not know of such a thing. */
  expiresAt: v.optional(time),
  /** See level.ts. Missing: 0. */
  level: v.optional(v.number()),
  /** Timers that are set, or whose event has not committed, with the number of each. */
  timers: v.optional(v.array(v.tuple([v.string(), v.number()]))),
  /** The highest number that a timer of the connection ever had. Missing: 0. */
  lastTimer: v.optional(v.number()),
});

/** What of it has changed. */
const identity = v.object({
  user: v.optional(v.string()),
  expiresAt: v.optional(time),
});

const headers = v.array(v.tuple([v.string(), v.string()]));
/** Of an answer. A line break in one would begin another; RFC 9110, 5.5. */
export const answerHeaders = v.array(
  v.tuple([v.pipe(v.string(), v.regex(/^[!#$%&'*+.^_`|~\w-]+$/)), v.pipe(v.string(), v.regex(/^[^\0\r\n]*$/))]),
);
/** RFC 9110, 15: what is below is no final answer. */
export const status = v.pipe(v.number(), v.integer(), v.minValue(200), v.maxValue(599));

const upgrade = v.object({
  path: v.string(),
  query: v.string(),
  ip: v.string(),
  headers,
  redelivered: v.boolean(),
  /** The same when another worker is asked, unique across gateways and restarts. Missing: this gateway makes none. */
  id: v.optional(v.string()),
  /** See level.ts. Missing: 0. */
  level: v.optional(v.number()),
});

const upgraded = v.variant("ok", [
  v.object({
    ok: v.literal(true),
    user: v.optional(v.string()),
    state: v.optional(ownBytes),
    subprotocol: v.optional(v.string()),
    headers: answerHeaders,
    /** As in a pin. */
    expiresAt: v.optional(time),
    /** The key of the session over HTTP beside which it opens. */
    session: v.optional(sessionKey),
  }),
  v.object({ ok: v.literal(false), status, headers: answerHeaders, body: bytes }),
]);

const request = v.object({
  method: v.string(),
  path: v.string(),
  query: v.string(),
  ip: v.string(),
  headers,
  body: bytes,
  redelivered: v.boolean(),
  /** See level.ts. Missing: 0. */
  level: v.optional(v.number()),
  /** The same request again: the first answer was a `session` whose connection is not there. */
  sessionMissing: v.optional(v.boolean()),
});

const responded = v.object({ status, headers: answerHeaders, body: bytes });

const responding = v.object({
  status,
  headers: answerHeaders,
  /** Of the whole body, in bytes; missing: nobody knows yet. */
  length: v.optional(length),
});

const credit = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(responseWindowBytes));

/** What a gateway keeps of some of its connections. */
const states = v.object({
  states: v.array(
    v.object({
      path: v.string(),
      state: v.optional(bytes),
      /** What the worker's own release had left: see `earlier`. */
      own: v.optional(v.object({ state: v.optional(bytes) })),
    }),
  ),
  /** The slot to go on with; missing: that was all. */
  next: v.optional(v.number()),
});

export type PinBody = v.InferOutput<typeof pin>;
export type IdentityBody = v.InferOutput<typeof identity>;
export type UpgradeBody = v.InferOutput<typeof upgrade>;
export type UpgradedBody = v.InferOutput<typeof upgraded>;
export type RequestBody = v.InferOutput<typeof request>;
export type RespondedBody = v.InferOutput<typeof responded>;
export type RespondingBody = v.InferOutput<typeof responding>;
export type StatesBody = v.InferOutput<typeof states>;

/** Reads a rare record's body. Each throws CodedError "envelope.malformed" and nothing else. */
export const parsePin = parser(pin);
export const parseIdentity = parser(identity);
export const parseUpgrade = parser(upgrade);
export const parseUpgraded = parser(upgraded);
export const parseRequest = parser(request);
export const parseResponded = parser(responded);
export const parseResponding = parser(responding);
export const parseCredit = parser(credit);
export const parseStates = parser(states);
export const parseCount = parser(v.number());
export const parseSlot = parser(length);
export const parseGatewayLost = parser(v.string());

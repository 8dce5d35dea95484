// What two gateways say to each other, on a link, about a WebSocket that has reached one of them and is for a session over HTTP of the
// other. In each record, slot is the number that the gateway of the WebSocket has given it.

import * as v from "valibot";
import { ownBytes, parser } from "./record-body.ts";
import { sessionKey } from "./session-key.ts";

/** From this level on a gateway takes them: see level.ts. */
export const pipeLevel = 2;

/** From the gateway of the WebSocket. */
export const toSession = {
  /** It has opened. Body PipeBody. */
  open: 96,
  /** Its client has sent this. flag.binary: a binary frame. */
  message: 97,
  /** Its client has sent a ping or a pong. */
  alive: 98,
  /** epoch: so many bytes wait for its client, who has not read them. */
  waits: 99,
  /** This gateway ends. To be closed, once what has come of it has committed. extra, payload: code and reason. */
  leave: 100,
  /** It has closed. extra, payload: code and reason. flag.broken: since its client read too slowly. */
  closed: 101,
} as const;

/** From the gateway of the session. */
export const toWebSocket = {
  /** For its client. flag.binary: a binary frame. */
  frame: 104,
  /** Its client is to be pinged. */
  ping: 105,
  /** It is to be closed, behind what was sent. extra, payload: code and reason. */
  end: 106,
  /** It is to be closed at once. */
  cut: 107,
} as const;

const pipe = v.object({
  /** Of the session. */
  key: sessionKey,
  path: v.string(),
  query: v.string(),
  ip: v.string(),
  user: v.optional(v.string()),
  subprotocol: v.string(),
  state: v.optional(ownBytes),
  /** Milliseconds since 1970; 0: never. */
  expiresAt: v.pipe(v.number(), v.finite(), v.minValue(0)),
});

export type PipeBody = v.InferOutput<typeof pipe>;

/** Throws CodedError "envelope.malformed" and nothing else. */
export const parsePipe = parser(pipe);

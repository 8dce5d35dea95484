// What a handler has answered with a session becomes a record.

import { CodedError } from "../protocol/errors.ts";
import { needLevel } from "../protocol/level.ts";
import { packValue } from "../protocol/msgpack.ts";
import { toGateway } from "../protocol/records.ts";
import { type AnswerBody, type ReceiveBody, type SessionBody, usualLingerMs } from "../protocol/session.ts";
import { checkUser } from "../protocol/user.ts";
import { expiryTime } from "./identity.ts";
import { type Reply, smallAnswerOf } from "./reply.ts";
import type { OpenSession, Receive, SessionAnswer, SessionPlan, SessionResponse } from "./session.ts";
import { checkKey } from "./session.ts";
import { initialState, type StateDefinition } from "./state.ts";
import { encodeState } from "./state-codec.ts";

interface SessionReplyOptions {
  readonly handler: StateDefinition;
  /** Of the gateway that has asked. */
  readonly level: number | undefined;
  readonly stateBytes: number;
  /** As much as one message to the gateway holds. */
  readonly recordBytes: number;
}

/** @throws {CodedError} "gateway.outdated", "identity.invalid", "state.invalid", "state.tooLarge", "response.tooLarge", "request.tooLarge" */
export async function sessionReply({ plan }: SessionAnswer, options: SessionReplyOptions): Promise<Reply> {
  const { level, recordBytes } = options;
  needLevel(level, 1, "a session");
  const bytes = packValue(await bodyOf(plan, options));
  if (bytes.length <= recordBytes) return { type: toGateway.session, bytes };
  // What a client sends can grow: each message has a head of its own, and a byte that is no UTF-8 becomes three.
  const code = plan.kind === "deliver" ? "request.tooLarge" : "response.tooLarge";
  throw new CodedError(code, `the answer with a session has ${bytes.length} bytes, at most ${recordBytes} are possible`);
}

/** Of a WebSocket that is to take the place of a session. @throws {CodedError} "session.invalid", "gateway.outdated" */
export function sessionKey(key: string | undefined, level: number | undefined): string | undefined {
  if (key === undefined) return undefined;
  checkKey(key);
  needLevel(level, 1, "the session of onUpgrade");
  return key;
}

async function bodyOf(plan: SessionPlan, options: SessionReplyOptions): Promise<SessionBody> {
  switch (plan.kind) {
    case "open":
      return openBody(plan, options);
    case "receive":
      return { kind: "receive", key: plan.key, receive: await receiveBody(plan.receive) };
    case "deliver": {
      const [response, missing] = await Promise.all([answerOf(plan.response), answerOf(plan.missing)]);
      return { kind: "deliver", key: plan.key, messages: [...plan.messages], response, missing };
    }
  }
}

async function openBody(plan: OpenSession, { handler, stateBytes }: SessionReplyOptions): Promise<SessionBody> {
  const { key, user, subprotocol, expiresAt, idleMs, linger, closeFrame } = plan;
  const state = initialState(handler, { state: plan.state });
  return {
    kind: "open",
    key,
    user: user === undefined ? undefined : checkUser(user),
    state: state === undefined ? undefined : encodeState(state, stateBytes),
    subprotocol,
    expiresAt: expiryTime(expiresAt),
    idleMs,
    linger: { ms: linger?.ms ?? usualLingerMs, repeatLast: linger?.repeatLast === true },
    closeFrame,
    receive: await receiveBody(plan.receive),
  };
}

async function receiveBody(receive: Receive): Promise<ReceiveBody> {
  const { status = 200, headers = {}, missing, busy, ...rest } = receive;
  const [gone, whenBusy] = await Promise.all([
    missing === "again" ? missing : answerOf(missing),
    busy.response === undefined ? undefined : answerOf(busy.response),
  ]);
  return { ...rest, status, headers: Object.entries(headers), missing: gone, busy: { ...busy, response: whenBusy } };
}

function answerOf(response: SessionResponse): AnswerBody | Promise<AnswerBody> {
  if (response instanceof Response) return smallAnswerOf(response, "of a session");
  const { status = 200, headers = {}, body = "" } = response;
  return { status, headers: Object.entries(headers), body: Buffer.from(body) };
}

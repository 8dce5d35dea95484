// What requests are refused with: an error of the handler's, or the router's own, which say what can be done about it.
// Source: the WAMP protocol, "Basic Profile URIs" and "Advanced Profile URIs"; "thinstate." are none of the specification's.

import { type ErrorCode, isCodedError } from "../../../adapter.ts";
import { type Dict, type Payload, payloadOf } from "../messages/messages.ts";

/** Returned by a hook: its client gets ERROR. Thrown: that, and nothing that the turn has asked for happens. */
export class WampError extends Error {
  readonly uri: string;
  readonly payload: Payload;

  /** @param uri "com.example.error.sold_out" */
  constructor(uri: string, args?: readonly unknown[], kwargs?: Dict) {
    super(uri);
    this.uri = uri;
    this.payload = payloadOf(args, kwargs);
  }
}

const texts = {
  "wamp.error.invalid_uri": "a URI has at most 160 bytes, no spaces, no # and no empty component, and does not begin with wamp.",
  "wamp.error.invalid_argument": "the first argument has to be a list of authroles",
  "wamp.error.not_authorized": "the handler does not let this session do that",
  "wamp.error.no_such_procedure":
    "nobody serves it in this realm now: check its name, and whether its callee is connected and has registered it",
  "wamp.error.procedure_already_exists":
    "it is registered already: to share it, all its callees have to register it with the same invoke, as roundrobin",
  "wamp.error.procedure_exists_with_different_invocation_policy": "it is registered already, with another invoke: register with that one",
  "wamp.error.no_such_registration": "this session has no registration with this id",
  "wamp.error.no_such_subscription": "this session has no subscription with this id",
  "wamp.error.no_such_session": "no other session of this realm has this id",
  "wamp.error.canceled": "the call was canceled, or its callee has left: it may have run, or not",
  "wamp.error.timeout": "the callee has not answered within the call's timeout: it may have run, or not",
  "wamp.error.feature_not_supported": "caller or callee has not announced payload_passthru_mode, which ppt_scheme needs: call without it",
  "wamp.error.unavailable": "the server cannot do that at the moment: try again",
  "wamp.error.runtime_error": "the handler has failed, and its log says why",
  "wamp.error.payload_size_exceeded": "it is too large for one turn: send it in parts, or raise EFFECTS_BYTES",
  "thinstate.error.too_many_topics": "this session has as many subscriptions as it may: end some, or raise TOPICS_PER_CONNECTION",
  "thinstate.error.too_many_patterns": "this session has as many patterns as it may: end some",
  "thinstate.error.too_many_sessions": "a list may have 100 entries, and a publication may choose 1,000 sessions",
} as const;

export type RouterErrorUri = keyof typeof texts;

export function routerError(uri: RouterErrorUri, text: string = texts[uri]): WampError {
  return new WampError(uri, [text]);
}

/** What of thinstate's errors is no fault, but what a request asked for. */
const uriOfCode: Readonly<Record<string, RouterErrorUri>> = {
  "topics.tooMany": "thinstate.error.too_many_topics",
  "member.invalid": "thinstate.error.too_many_patterns",
  "effects.tooLarge": "wamp.error.payload_size_exceeded",
  ...unavailable("app.noGateway", "store.unavailable", "lock.crowded", "lock.total"),
};

function unavailable(...codes: readonly ErrorCode[]): Record<string, RouterErrorUri> {
  return Object.fromEntries(codes.map((code) => [code, "wamp.error.unavailable" as const]));
}

/** @returns undefined: it is a fault. */
export function refusalOf(error: unknown): WampError | undefined {
  const uri = isCodedError(error) ? uriOfCode[error.code] : undefined;
  return uri && routerError(uri);
}

/** Whoever has to send what others have made is not to blame for its size. @returns whether it could be sent. */
export function fits(send: () => void): boolean {
  try {
    send();
    return true;
  } catch (error) {
    if (!isCodedError(error, "effects.tooLarge")) throw error;
    return false;
  }
}

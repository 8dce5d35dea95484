// What a handler may say about a session and what that asks for, and what its answers mean.

import { after } from "../../../adapter.ts";
import type { Closing } from "../../../handler.ts";
import type { Match } from "../messages/identifiers.ts";
import { type Dict, type Payload, payloadOf, type WampMessage } from "../messages/messages.ts";
import { routerError, WampError } from "./errors.ts";
import type { WampSession } from "./session.ts";

export type Settled<Value> = Value | Promise<Value>;

export interface Invocable {
  readonly procedure: string;
  readonly args: readonly unknown[];
  readonly kwargs: Dict;
  readonly options: Dict;
  /** A progressive result, at once, where the caller wants it: what the turn has asked for so far is committed. */
  progress(...args: unknown[]): Promise<void>;
}

/** Returns what RESULT has; undefined: nothing. A WampResult or a WampError is what it says. */
export type Procedure = (session: WampSession, call: Invocable) => unknown;

/** What a procedure returns that has several results, or named ones. */
export class WampResult {
  readonly payload: Payload;

  constructor(args?: readonly unknown[], kwargs?: Dict) {
    this.payload = payloadOf(args, kwargs);
  }
}

/**
 * The answer of a hook that is asked whether something may happen. `true` allows it, and so does returning nothing; a WampError refuses with
 * what it says, and whatever else with wamp.error.not_authorized.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing will do.
type Verdict = Settled<boolean | WampError | undefined | void>;

export interface WampHooks {
  /** Served by the handler, in the caller's turn. */
  readonly procedures?: Readonly<Record<string, Procedure>>;
  /** For every other CALL. Where it returns undefined, the dealer looks for a callee among the clients. */
  readonly onCall?: Procedure;
  onSubscribe?(session: WampSession, topic: string, match: Match): Verdict;
  onPublish?(session: WampSession, event: Omit<Invocable, "procedure" | "progress"> & { readonly topic: string }): Verdict;
  onRegister?(session: WampSession, procedure: string, match: Match): Verdict;
  /** For `wamp.session.count` and so on: `true` alone allows it. Without it, all but `wamp.session.kill` are for everybody. */
  onMeta?(session: WampSession, procedure: string): Settled<boolean | WampError>;
  onUnsubscribe?(session: WampSession, topic: string): Settled<unknown>;
  onJoin?(session: WampSession): Settled<unknown>;
  onLeave?(session: WampSession, closing: Closing): Settled<unknown>;
}

/** What a request is answered with; undefined: with nothing, or not yet. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that has answered returns nothing.
export type Answer = Settled<WampMessage | WampError | undefined | void>;

/** @param verdict of a hook. */
export function allowed(verdict: unknown, then: () => unknown): Answer {
  return after(verdict, (said) => {
    if (said === true || said === undefined) return then() as Answer;
    return said instanceof WampError ? said : routerError("wamp.error.not_authorized");
  });
}

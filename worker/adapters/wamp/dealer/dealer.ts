// The dealer. A caller's turns have what is open of its calls; a callee's turns pass on what comes. They reach each other by inboxes: topics
// whose messages are turns. Source: the WAMP protocol, "Calling and Invocations", "Call Canceling" and "Call Timeouts".

import { after } from "../../../adapter.ts";
import { isUri, routerId } from "../messages/identifiers.ts";
import { isPassthru, type MessageOf, passedThrough, type } from "../messages/messages.ts";
import { fits, type RouterErrorUri, refusalOf, routerError } from "../session/errors.ts";
import type { Answer } from "../session/hooks.ts";
import { type Call, sessionsOf, type ToCaller, type ToSession, tell, tellCaller } from "../session/inbox.ts";
import { disclosed, violate, type WampSession } from "../session/session.ts";
import { callNumberOf, invocationId } from "../session/topics.ts";
import { addCall, changeCall, countOpen, nextNumber, type OpenCall, openCall, openCalls, watchCall } from "./open-calls.ts";
import { awaitedInvocation, beginInvocation, endInvocation, openInvocations, openInvocationsLimit, requestOf } from "./open-invocations.ts";
import { callOwn } from "./procedures.ts";
import { Registrations } from "./registrations.ts";

/** So many calls of a session may be open. */
const openCallsLimit = 100;
/** How long a callee may be silent until it is looked for, and how long from then on. */
const firstCheckMs = 1_000;
const laterCheckMs = 5_000;
const canceled = "wamp.error.canceled";
const tooLarge = "wamp.error.payload_size_exceeded";
const notSupported = "wamp.error.feature_not_supported";

type Without<Message, Key extends PropertyKey> = Message extends unknown ? Omit<Message, Key> : never;
/** Of a callee, by INVOCATION.Request. */
type Answered = Without<Extract<ToCaller, { kind: "yield" | "error" }>, "invocation">;

export class Dealer {
  readonly registrations = new Registrations();

  /** CALL. "Calling and Invocations" */
  call(session: WampSession, message: MessageOf<"CALL">): Answer {
    const [, request, options, procedure, ...payload] = message;
    if (!isUri(procedure)) return routerError("wamp.error.invalid_uri");
    if (openCall(session, "request", request) !== undefined) return violate(session.conn, `request ${request} is open`);
    return after(callOwn(session, message), (own) => own ?? this.invoke(session, request, { options, procedure, payload }));
  }

  /** INVOCATION, of what a client has registered. "Caller Identification" @param before As it was open at one that is no callee any more. */
  private invoke(session: WampSession, request: number, call: Call, before?: OpenCall): void | Promise<void> {
    if (countOpen(session) >= openCallsLimit) {
      const text = `a session may have ${openCallsLimit} open calls: wait until one has ended`;
      return session.sendError(type.CALL, request, routerError("wamp.error.unavailable", text));
    }
    return after(this.registrations.find(session, call.procedure, before !== undefined), (callee) => {
      if (callee === undefined) return session.sendError(type.CALL, request, routerError("wamp.error.no_such_procedure"));
      if (callee.takesPassthru === false && isPassthru(call.options))
        return session.sendError(type.CALL, request, routerError(notSupported));
      const { session: to, match, registered, canCancel, disclosesCaller } = callee;
      const { timeout = 0, receive_progress: progress = false, disclose_me } = call.options as Record<string, never>;
      const number = nextNumber(session);
      const now = Date.now();
      const times = { checkAt: now + firstCheckMs, timeout, timeoutAt: before?.timeoutAt ?? (timeout === 0 ? 0 : now + timeout) };
      const caller = disclosesCaller || disclose_me === true ? disclosed(session, "caller") : {};
      const invocation = invocationId(session.id, number);
      tell(session, { kind: "invocation", to, invocation, match, registered, caller, ...call });
      addCall(session, { number, request, callee: to, canCancel, progress, isKilled: false, ...times });
    });
  }

  /** CANCEL. "Call Canceling" */
  cancel(session: WampSession, [, request, { mode = "killnowait" }]: MessageOf<"CANCEL">): void {
    const call = openCall(session, "request", request);
    if (call === undefined || (call.isKilled && mode === "kill")) return;
    if (mode !== "kill" || !call.canCancel) return fail(session, call, canceled, mode === "skip" ? mode : "killnowait");
    changeCall(session, call, { isKilled: true });
    interrupt(session, call, mode, canceled);
  }

  /** YIELD. "Calling and Invocations", "Progressive Call Results" */
  yield(session: WampSession, [, request, options, ...payload]: MessageOf<"YIELD">): void {
    answer(session, request, { kind: "yield", from: session.id, options, payload }, options.progress === true);
  }

  /** ERROR, for an INVOCATION. "Calling and Invocations" */
  error(session: WampSession, [, of, request, details, uri, ...payload]: MessageOf<"ERROR">): void {
    if (of !== type.INVOCATION) return violate(session.conn, "a client's ERROR is for an INVOCATION");
    answer(session, request, { kind: "error", from: session.id, details, uri, payload });
  }

  /** What has come to the session's inbox: RESULT or ERROR for its CALL. "Calling and Invocations" */
  receive(session: WampSession, message: ToCaller): void | Promise<void> {
    const { kind, invocation } = message;
    if (kind === "left") return openCalls(session).forEach((call) => call.callee === message.from && fail(session, call, canceled));
    const call = openCall(session, "number", callNumberOf(invocation));
    if (call === undefined || call.callee !== message.from) return;
    const { request, timeout } = call;
    if (kind === "yield" && message.options.progress === true) {
      if (!call.progress || call.isKilled) return;
      const send = () => session.send([type.RESULT, request, { progress: true, ...passedThrough(message.options) }, ...message.payload]);
      if (!fits(send)) return fail(session, call, tooLarge, "killnowait");
      return timeout === 0 ? undefined : changeCall(session, call, { timeoutAt: Date.now() + timeout });
    }
    changeCall(session, call, undefined);
    if (kind !== "not registered") return answerCall(session, request, message);
    if (call.isKilled) return session.sendError(type.CALL, request, routerError(canceled));
    return this.invokeAgain(session, call, { options: message.options, procedure: message.procedure, payload: message.payload });
  }

  /** In a turn that is not the caller's: what cannot be done is no reason to end its session. */
  private async invokeAgain(session: WampSession, before: OpenCall, call: Call): Promise<void> {
    try {
      await this.invoke(session, before.request, call, before);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      session.sendError(type.CALL, before.request, refusal);
    }
  }

  /** INVOCATION, as its callee. "Calling and Invocations" */
  beInvoked(session: WampSession, message: Extract<ToSession, { kind: "invocation" }>): void {
    const { invocation, match, registered, caller, options, procedure, payload } = message;
    if (!this.registrations.isCallee(session, match, registered))
      return tellCaller(session, { kind: "not registered", from: session.id, invocation, options, procedure, payload });
    const progress = options.receive_progress === true && { receive_progress: true };
    const details = { ...caller, ...(match !== "exact" && { procedure }), ...progress, ...passedThrough(options) };
    const request = beginInvocation(session, invocation, options.receive_progress === true);
    if (request === undefined) {
      const text = `the callee has ${openInvocationsLimit} calls open: try again when some have ended`;
      return tellCaller(session, failureOf(session, invocation, "wamp.error.unavailable", text));
    }
    const registration = routerId(session.scope, match, registered);
    if (fits(() => session.send([type.INVOCATION, request, registration, details, ...payload]))) return;
    endInvocation(session, invocation);
    tellCaller(session, failureOf(session, invocation, tooLarge));
  }

  /** INTERRUPT, as its callee. "Call Canceling" */
  beInterrupted(session: WampSession, { invocation, mode, reason }: Extract<ToSession, { kind: "interrupt" }>): void {
    const request = requestOf(session, invocation);
    if (request === undefined) return;
    if (mode !== "kill") endInvocation(session, invocation);
    if (mode !== "skip" && session.state.canCancel) session.send([type.INTERRUPT, request, { mode, reason }]);
  }

  /** Calls that have timed out, or whose callee is gone without a word. "Call Timeouts" */
  async onTimer(session: WampSession): Promise<void> {
    session.update({ timerAt: 0 });
    const now = Date.now();
    const silent = openCalls(session).filter(({ checkAt }) => checkAt <= now);
    const callees = silent.map(({ callee }) => callee);
    // Where a gateway does not answer, nobody is known to be gone. The sessions of one that is silent count as gone.
    const there = await sessionsOf(session, callees).then(
      (found) => found.map(({ info }) => info.session),
      () => callees,
    );
    for (const call of openCalls(session)) {
      if (callees.includes(call.callee) && !there.includes(call.callee)) fail(session, call, canceled);
      else if (call.timeoutAt > 0 && call.timeoutAt <= now) fail(session, call, "wamp.error.timeout", "killnowait");
      else if (call.checkAt <= now) changeCall(session, call, { checkAt: now + laterCheckMs });
    }
    for (const call of openCalls(session)) watchCall(session, call);
  }

  /** "Caller Leaving During an RPC Invocation", "Callee Leaving During an RPC Invocation" */
  onLeave(session: WampSession): void {
    this.registrations.forget();
    for (const call of openCalls(session)) interrupt(session, call, "killnowait", canceled);
    for (const invocation of openInvocations(session)) tellCaller(session, { kind: "left", from: session.id, invocation });
  }
}

/** One that nobody waits for is ignored: it may be late. "Ignoring Results after Cancel" */
function answer(session: WampSession, request: number, answered: Answered, isProgress = false): void {
  const invocation = awaitedInvocation(session, request, isProgress);
  if (invocation === undefined) return;
  const isSent = fits(() => tellCaller(session, { ...answered, invocation }));
  if (!isSent) tellCaller(session, failureOf(session, invocation, tooLarge));
  if (!isProgress || !isSent) endInvocation(session, invocation);
}

function failureOf({ id: from }: WampSession, invocation: number, of: RouterErrorUri, text?: string): ToCaller {
  const { uri, payload } = routerError(of, text);
  return { kind: "error", from, invocation, details: {}, uri, payload };
}

/** RESULT or ERROR, for CALL. */
function answerCall(session: WampSession, request: number, message: Extract<ToCaller, { kind: "yield" | "error" }>): void {
  const isSent = fits(() => {
    if (message.kind === "error") session.sendError(type.CALL, request, message, message.details);
    else if (session.state.takesPassthru === false && isPassthru(message.options))
      session.sendError(type.CALL, request, routerError(notSupported));
    else session.send([type.RESULT, request, passedThrough(message.options), ...message.payload]);
  });
  if (!isSent) session.sendError(type.CALL, request, routerError(tooLarge));
}

/** @param mode of the INTERRUPT for its callee; undefined: that one has ended it, or is gone. */
function fail(session: WampSession, call: OpenCall, uri: RouterErrorUri, mode?: "skip" | "killnowait"): void {
  changeCall(session, call, undefined);
  session.sendError(type.CALL, call.request, routerError(uri));
  if (mode !== undefined) interrupt(session, call, mode, uri);
}

function interrupt(session: WampSession, { callee: to, number }: OpenCall, mode: "skip" | "kill" | "killnowait", reason: string): void {
  tell(session, { kind: "interrupt", to, invocation: invocationId(session.id, number), mode, reason });
}

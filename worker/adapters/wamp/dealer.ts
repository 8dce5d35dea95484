// The dealer. The caller's turns have what is open of a call; a callee's turns pass on what comes. They reach each other by inboxes: topics
// of thinstate whose messages are turns. Source: the WAMP protocol, "Calling and Invocations" and the advanced profile's sections on RPC.

import { isCodedError } from "../../../protocol/errors.ts";
import type { Member } from "../../handler.ts";
import { disclosed } from "./broker.ts";
import { pack } from "./codec.ts";
import {
  callNumbers,
  inboxOf,
  inboxOfInvocation,
  invocationId,
  type Match,
  matches,
  patternProceduresTopic,
  precedence,
  procedureTopic,
  registrationId,
} from "./identifiers.ts";
import { type Dict, type Payload, passedThrough, type, type WampMessage } from "./messages.ts";
import { after, type Conn, type OpenCall, type RegisteredPattern, violate, type WampSession } from "./session.ts";

/** A CALL as it came. */
export interface Asked {
  readonly request: number;
  readonly options: Dict;
  readonly procedure: string;
  readonly payload: Payload;
}

/** What comes to an inbox. `from` and `to` are sessions: those whose numbers are alike share an inbox. */
export type Inbox =
  | ({ readonly kind: "invocation"; to: number; invocation: number; match: Match; registered: string; caller: Dict } & Omit<
      Asked,
      "request"
    >)
  | ({ readonly kind: "not registered"; from: number; invocation: number } & Omit<Asked, "request">)
  | { readonly kind: "yield"; from: number; invocation: number; options: Dict; payload: Payload }
  | { readonly kind: "error"; from: number; invocation: number; details: Dict; uri: string; payload: Payload }
  | { readonly kind: "interrupt"; to: number; invocation: number; mode: string; reason: string }
  | { readonly kind: "left"; from: number; invocation: number };

interface Callee {
  readonly session: number;
  readonly match: Match;
  readonly registered: string;
  readonly invoke: string;
  readonly disclosesCaller: boolean;
  readonly canCancel: boolean;
}

/** So many calls of a session may be open. */
const openCallsLimit = 100;
/** How long a callee may be silent until it is looked for, and from then on. */
const firstCheckMs = 1_000;
const laterCheckMs = 5_000;
/** For how long it is known who the callees of a procedure are: one that is none any more says so, unless it has just gone. */
const knownMs = 5;
const knownProcedures = 1_000;
/** So many callers hear of it at once when a callee leaves; others when they look for it. */
const callersLimit = 200;
const timerName = "calls";
const lockMs = 1_000;

export class Dealer {
  private readonly known = new Map<string, { readonly until: number; readonly members: readonly Member<Dict>[] }>();
  /** "roundrobin", of this worker. */
  private readonly turns = new Map<string, number>();
  /** What the handler serves itself. */
  private readonly isOwn: (procedure: string) => boolean;

  constructor(isOwn: (procedure: string) => boolean) {
    this.isOwn = isOwn;
  }

  /** REGISTER. @returns the registration's id, or an error's URI. */
  async register(session: WampSession, procedure: string, options: Dict): Promise<number | string> {
    const { conn, realm, state } = session;
    const match = (options.match as Match | undefined) ?? "exact";
    const invoke = (options.invoke as string | undefined) ?? "single";
    if (match === "exact" && this.isOwn(procedure)) return "wamp.error.procedure_already_exists";
    const lock = `wamp.${match} ${realm} ${registrationId(realm, match, procedure)}`;
    if (!(await isAlone(conn, lock))) return "wamp.error.unavailable";
    const topic = match === "exact" ? procedureTopic(realm, procedure) : patternProceduresTopic(realm);
    const others = calleesOf(await conn.members<Dict>(topic), procedure).filter(
      (each) => each.match === match && each.registered === procedure,
    );
    if (others.some((other) => other.invoke === "single" || other.session === session.id)) return "wamp.error.procedure_already_exists";
    if (others.some((other) => other.invoke !== invoke)) return "wamp.error.procedure_exists_with_different_invocation_policy";
    const disclosesCaller = options.disclose_caller === true;
    const who = { session: session.id, canCancel: state.canCancel };
    if (match === "exact") conn.subscribe(topic, { as: { ...who, invoke, disclosesCaller } });
    else this.keepPatterns(session, [...state.patterns, [match, procedure, invoke, disclosesCaller]]);
    return registrationId(realm, match, procedure);
  }

  /** UNREGISTER. @returns whether there was such a registration. */
  unregister(session: WampSession, registration: number): boolean {
    const { conn, realm, state } = session;
    this.known.clear();
    const patterns = state.patterns.filter(([match, pattern]) => registrationId(realm, match as Match, pattern) !== registration);
    if (patterns.length < state.patterns.length) {
      this.keepPatterns(session, patterns);
      return true;
    }
    const prefix = procedureTopic(realm, "");
    const topic = [...conn.topics].find(
      (name) => name.startsWith(prefix) && registrationId(realm, "exact", name.slice(prefix.length)) === registration,
    );
    if (topic !== undefined) conn.unsubscribe(topic);
    return topic !== undefined;
  }

  private keepPatterns(session: WampSession, patterns: readonly RegisteredPattern[]): void {
    const { conn, realm, state } = session;
    session.update({ patterns });
    const topic = patternProceduresTopic(realm);
    if (patterns.length === 0) conn.unsubscribe(topic);
    else conn.subscribe(topic, { as: { session: session.id, canCancel: state.canCancel, patterns } });
  }

  /** CALL, of what a client has registered. */
  call(session: WampSession, asked: Asked, isFresh = false): void | Promise<void> {
    const { realm, state } = session;
    if (state.calls.length >= openCallsLimit) return session.sendError(type.CALL, asked.request, "wamp.error.unavailable");
    const { procedure } = asked;
    return after(this.membersOf(session, procedureTopic(realm, procedure), isFresh), (exact) => {
      if (exact.length > 0) return this.invoke(session, asked, calleesOf(exact, procedure));
      return after(this.membersOf(session, patternProceduresTopic(realm), isFresh), (members) => {
        const all = calleesOf(members, procedure);
        const ranks = all.map((each) => precedence(each.match, each.registered, procedure));
        const best = ranks.reduce((high, rank) => (rank > high ? rank : high), "");
        this.invoke(
          session,
          asked,
          all.filter((_, index) => ranks[index] === best),
        );
      });
    });
  }

  private membersOf({ conn }: WampSession, topic: string, isFresh: boolean): readonly Member<Dict>[] | Promise<readonly Member<Dict>[]> {
    const now = Date.now();
    const known = this.known.get(topic);
    if (known !== undefined && known.until > now && !isFresh) return known.members;
    return conn.members<Dict>(topic).then((members) => {
      this.known.delete(topic);
      if (members.length > 0) this.known.set(topic, { until: now + knownMs, members });
      for (const first of this.known.keys()) if (this.known.size > knownProcedures) this.known.delete(first);
      return members;
    });
  }

  /** @param callees of one registration, in the order in which they registered. */
  private invoke(session: WampSession, asked: Asked, callees: readonly Callee[]): void {
    const callee = this.choose(callees);
    if (callee === undefined) return session.sendError(type.CALL, asked.request, "wamp.error.no_such_procedure");
    const { state } = session;
    const { request, options, procedure, payload } = asked;
    const number = (state.lastCall % (callNumbers - 1)) + 1;
    const { match, registered, canCancel } = callee;
    const timeout = (options.timeout as number | undefined) ?? 0;
    const now = Date.now();
    const call: OpenCall = {
      ...{ number, request, callee: callee.session, canCancel, progress: options.receive_progress === true, isKilled: false },
      ...{ checkAt: now + firstCheckMs, timeout, timeoutAt: timeout === 0 ? 0 : now + timeout },
    };
    this.keepCalls(session, [...state.calls, call], number);
    const caller = callee.disclosesCaller || options.disclose_me === true ? disclosed(session, "caller") : {};
    const sent = {
      to: callee.session,
      invocation: invocationId(session.id, number),
      match,
      registered,
      caller,
      options,
      procedure,
      payload,
    };
    tell(session, inboxOf(callee.session), { kind: "invocation", ...sent });
  }

  /** "Shared Registration" */
  private choose(callees: readonly Callee[]): Callee | undefined {
    const [first] = callees;
    if (first === undefined || callees.length === 1) return first;
    if (first.invoke === "last") return callees.at(-1);
    if (first.invoke === "random") return callees[Math.floor(Math.random() * callees.length)];
    if (first.invoke !== "roundrobin") return first;
    const turn = this.turns.get(first.registered) ?? 0;
    this.turns.set(first.registered, turn + 1);
    for (const oldest of this.turns.keys()) if (this.turns.size > knownProcedures) this.turns.delete(oldest);
    return callees[turn % callees.length];
  }

  private keepCalls(session: WampSession, calls: readonly OpenCall[], lastCall = session.state.lastCall): void {
    const next = Math.min(...calls.map(({ checkAt, timeoutAt }) => (timeoutAt === 0 ? checkAt : Math.min(checkAt, timeoutAt))));
    const { timerAt } = session.state;
    const isLate = calls.length > 0 && (timerAt === 0 || next < timerAt);
    if (isLate) session.conn.setTimer(timerName, Math.max(1, Math.ceil(next - Date.now())));
    session.update({ calls, lastCall, timerAt: isLate ? next : timerAt });
  }

  private end(session: WampSession, { number }: OpenCall): void {
    this.keepCalls(
      session,
      session.state.calls.filter((call) => call.number !== number),
    );
  }

  private fail(session: WampSession, call: OpenCall, uri: string, mode?: string): void {
    this.end(session, call);
    session.sendError(type.CALL, call.request, uri);
    if (mode !== undefined) this.interrupt(session, call, mode, uri);
  }

  private interrupt(session: WampSession, { canCancel, callee, number }: OpenCall, mode: string, reason: string): void {
    if (!canCancel) return;
    tell(session, inboxOf(callee), { kind: "interrupt", to: callee, invocation: invocationId(session.id, number), mode, reason });
  }

  /** "Call Canceling" */
  cancel(session: WampSession, request: number, mode = "killnowait"): void {
    const call = session.state.calls.find((each) => each.request === request);
    if (call === undefined) return;
    if (mode !== "kill" || !call.canCancel)
      return this.fail(session, call, "wamp.error.canceled", mode === "skip" ? undefined : "killnowait");
    this.keepCalls(
      session,
      session.state.calls.map((each) => (each === call ? { ...each, isKilled: true } : each)),
    );
    this.interrupt(session, call, mode, "wamp.error.canceled");
  }

  /** YIELD, or ERROR for an INVOCATION: whose it is, its caller knows. */
  answer(session: WampSession, message: WampMessage): void {
    const from = session.id;
    if (message[0] === type.YIELD) {
      const [, invocation, options, ...payload] = message as readonly [number, number, Dict, ...Payload];
      return tell(session, inboxOfInvocation(invocation), { kind: "yield", from, invocation, options, payload });
    }
    const [, of, invocation, details, uri, ...payload] = message as readonly [number, number, number, Dict, string, ...Payload];
    if (of !== type.INVOCATION) return violate(session.conn, "a client's ERROR is for an INVOCATION");
    tell(session, inboxOfInvocation(invocation), { kind: "error", from, invocation, details, uri, payload });
  }

  /** Something has come to the session's inbox. */
  receive(session: WampSession, message: Inbox): void | Promise<void> {
    if (message.kind === "invocation" || message.kind === "interrupt") {
      return message.to === session.id ? this.receiveAsCallee(session, message) : undefined;
    }
    const { calls } = session.state;
    if (message.kind === "left") {
      for (const call of calls) if (call.callee === message.from) this.fail(session, call, "wamp.error.canceled");
      return;
    }
    const call = calls.find(({ number, callee }) => callee === message.from && invocationId(session.id, number) === message.invocation);
    if (call === undefined) return;
    const { request } = call;
    if (message.kind === "yield" && message.options.progress === true) {
      if (!call.progress || call.isKilled) return;
      session.send([type.RESULT, request, { progress: true, ...passedThrough(message.options) }, ...message.payload]);
      const timeoutAt = call.timeout === 0 ? 0 : Date.now() + call.timeout;
      return this.keepCalls(
        session,
        calls.map((each) => (each === call ? { ...each, timeoutAt } : each)),
      );
    }
    this.end(session, call);
    if (message.kind === "yield") session.send([type.RESULT, request, passedThrough(message.options), ...message.payload]);
    else if (message.kind === "error") session.sendError(type.CALL, request, message.uri, message.payload, message.details);
    else if (call.isKilled) session.sendError(type.CALL, request, "wamp.error.canceled");
    else return this.call(session, { request, options: message.options, procedure: message.procedure, payload: message.payload }, true);
  }

  private receiveAsCallee(session: WampSession, message: Extract<Inbox, { kind: "invocation" | "interrupt" }>): void {
    const { conn, realm, state } = session;
    const { invocation } = message;
    if (message.kind === "interrupt") return session.send([type.INTERRUPT, invocation, { mode: message.mode, reason: message.reason }]);
    const { match, registered, options, procedure, payload, caller } = message;
    const isExact = match === "exact";
    const has = isExact
      ? conn.topics.has(procedureTopic(realm, registered))
      : state.patterns.some(([m, pattern]) => m === match && pattern === registered);
    const inbox = inboxOfInvocation(invocation);
    if (!has) return tell(session, inbox, { kind: "not registered", from: session.id, invocation, options, procedure, payload });
    const told = { ...(!isExact && { procedure }), ...(options.receive_progress === true && { receive_progress: true }) };
    const details = { ...caller, ...told, ...passedThrough(options) };
    session.send([type.INVOCATION, invocation, registrationId(realm, match, registered), details, ...payload]);
    if (state.callers.every((each) => inboxOfInvocation(each) !== inbox))
      session.update({ callers: [...state.callers.slice(1 - callersLimit), invocation] });
  }

  /** Calls that have timed out, or whose callee is gone without a word. "Call Timeouts" */
  async onTimer(session: WampSession): Promise<void> {
    session.update({ timerAt: 0 });
    const now = Date.now();
    const { conn, state } = session;
    const late = state.calls.filter(({ checkAt }) => checkAt <= now);
    const silent = [...new Set(late.map(({ callee }) => callee))];
    // Where a gateway does not answer, nobody is known to be gone.
    const found = await Promise.all(silent.map((callee) => conn.members<Dict>(inboxOf(callee)).catch(() => undefined)));
    const gone = silent.filter((callee, index) => found[index]?.every(({ info }) => info.session !== callee) === true);
    for (const call of state.calls) {
      if (gone.includes(call.callee)) this.fail(session, call, "wamp.error.canceled");
      else if (call.timeoutAt > 0 && call.timeoutAt <= now) this.fail(session, call, "wamp.error.timeout", "killnowait");
    }
    const checkAt = now + laterCheckMs;
    this.keepCalls(
      session,
      session.state.calls.map((call) => (call.checkAt <= now ? { ...call, checkAt } : call)),
    );
  }

  /** "Caller Leaving During an RPC Invocation", "Callee Leaving During an RPC Invocation" */
  onLeave(session: WampSession): void {
    const { calls, callers } = session.state;
    this.known.clear();
    for (const call of calls) this.interrupt(session, call, "killnowait", "wamp.error.canceled");
    for (const invocation of callers) tell(session, inboxOfInvocation(invocation), { kind: "left", from: session.id, invocation });
  }
}

/** Nobody else registers the same until the turn has committed; where NATS has no JetStream, that is not sure. */
async function isAlone(conn: Conn, lock: string): Promise<boolean> {
  try {
    if ((await conn.lock(lock, { waitMs: lockMs })) === undefined) return false;
    conn.unlock(lock);
  } catch (error) {
    if (!isCodedError(error, "store.unavailable")) throw error;
  }
  return true;
}

function tell({ conn }: WampSession, inbox: string, message: Inbox): void {
  conn.publish(inbox, pack(message), { self: true });
}

function calleesOf(members: readonly Member<Dict>[], procedure: string): Callee[] {
  return members.flatMap(({ info }) => {
    const { patterns, ...who } = info as unknown as Callee & { readonly patterns?: readonly RegisteredPattern[] };
    if (patterns === undefined) return { ...who, match: "exact", registered: procedure };
    return patterns
      .map(([match, registered, invoke, disclosesCaller]) => ({ ...who, match: match as Match, registered, invoke, disclosesCaller }))
      .filter(({ match, registered }) => matches(match, registered, procedure) || registered === procedure);
  });
}

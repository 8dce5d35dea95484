// Who can be called: callees are members of thinstate's topics, so that all workers find those of all gateways. Source: the WAMP protocol,
// "Registering and Unregistering", "Pattern-based Registrations" and "Shared Registration".

import { after, isCodedError } from "../../../adapter.ts";
import type { Member } from "../../../handler.ts";
import { isReserved, isUri, type Match, matches, matchOf, precedence, routerId } from "../messages/identifiers.ts";
import { type Dict, type MessageOf, type } from "../messages/messages.ts";
import { routerError } from "../session/errors.ts";
import { type Answer, allowed, type Settled } from "../session/hooks.ts";
import type { RegisteredPattern, WampSession } from "../session/session.ts";
import { topics } from "../session/topics.ts";

/** One that may be called, by what it has registered. */
interface Callee {
  readonly session: number;
  readonly match: Match;
  readonly registered: string;
  readonly invoke: string;
  readonly disclosesCaller: boolean;
  readonly canCancel: boolean;
  readonly takesPassthru?: boolean;
  /** Of a pattern: see RegisteredPattern. */
  readonly since?: number | undefined;
}

type Members = readonly Member<Dict>[];

/** For how long it is known who the callees of a procedure are: one that is none any more says so, unless it has just gone. */
const knownMs = 5;
const knownLimit = 1_000;
/** How long others may register the same. */
const lockMs = 1_000;
const alreadyExists = routerError("wamp.error.procedure_already_exists");
const otherPolicy = routerError("wamp.error.procedure_exists_with_different_invocation_policy");

export class Registrations {
  private readonly known = new Map<string, { readonly until: number; readonly members: Members }>();
  /** "roundrobin", of this worker. */
  private readonly rounds = new Map<string, number>();

  /** REGISTER. "Registering and Unregistering" */
  register(session: WampSession, message: MessageOf<"REGISTER">): Answer {
    const [, , options, procedure] = message;
    const { procedures = {}, onRegister } = session.hooks;
    const match = matchOf(options);
    if (!isUri(procedure, match) || isReserved(procedure)) return routerError("wamp.error.invalid_uri");
    if (match === "exact" && Object.hasOwn(procedures, procedure)) return alreadyExists;
    return allowed(onRegister?.(session, procedure, match), () => this.add(session, message));
  }

  /** "Pattern-based Registrations", "Shared Registration" */
  private async add(session: WampSession, [, request, options, procedure]: MessageOf<"REGISTER">): Promise<Answer> {
    const { conn, scope, state } = session;
    const match = matchOf(options);
    const { invoke = "single" } = options as { invoke?: string };
    const id = routerId(scope, match, procedure);
    if (!(await isAlone(session, `wamp.register ${id}`))) return routerError("wamp.error.unavailable");
    const topic = match === "exact" ? topics.procedure(scope, procedure) : topics.procedures(scope);
    const all = calleesOf(await conn.members<Dict>(topic), procedure);
    const others = all.filter((other) => other.match === match && other.registered === procedure);
    if (others.some((other) => other.invoke === "single" || other.session === session.id)) return alreadyExists;
    if (others.some((other) => other.invoke !== invoke)) return otherPolicy;
    const disclosesCaller = options.disclose_caller === true;
    const pattern = [match, procedure, invoke, disclosesCaller] as const;
    // Members are in the order in which they registered their first pattern.
    const hasOrder = invoke === "first" || invoke === "last";
    if (match !== "exact") keepPatterns(session, [...state.patterns, hasOrder ? [...pattern, Date.now()] : pattern]);
    else conn.subscribe(topic, { as: { ...calleeOf(session), invoke, disclosesCaller } });
    return [type.REGISTERED, request, id];
  }

  /** UNREGISTER. "Registering and Unregistering" */
  unregister(session: WampSession, [, request, id]: MessageOf<"UNREGISTER">): Answer {
    this.forget();
    const { conn, scope, state } = session;
    const others = state.patterns.filter(([match, pattern]) => routerId(scope, match as Match, pattern) !== id);
    const prefix = topics.procedure(scope, "");
    const topic = [...conn.topics].find((name) => name.startsWith(prefix) && routerId(scope, "exact", name.slice(prefix.length)) === id);
    if (topic !== undefined) conn.unsubscribe(topic);
    else if (others.length < state.patterns.length) keepPatterns(session, others);
    else return routerError("wamp.error.no_such_registration");
    return [type.UNREGISTERED, request];
  }

  /** Whose calls came through what is not registered any more. */
  isCallee({ conn, scope, state }: WampSession, match: Match, registered: string): boolean {
    if (match === "exact") return conn.topics.has(topics.procedure(scope, registered));
    return state.patterns.some(([own, pattern]) => own === match && pattern === registered);
  }

  /** Somebody is no callee any more. */
  forget(): void {
    this.known.clear();
  }

  /** The one that a call goes to. @param isFresh not as it was a moment ago. */
  find(session: WampSession, procedure: string, isFresh: boolean): Settled<Callee | undefined> {
    return after(this.membersOf(session, topics.procedure(session.scope, procedure), isFresh), (exact) => {
      if (exact.length > 0) return this.choose(session, calleesOf(exact, procedure));
      return after(this.membersOf(session, topics.procedures(session.scope), isFresh), (members) => {
        const callees = calleesOf(members, procedure);
        const rank = ({ match, registered }: Callee) => precedence(match, registered, procedure);
        const best = callees.map(rank).toSorted().at(-1);
        const chosen = callees.filter((callee) => rank(callee) === best);
        return this.choose(
          session,
          chosen.toSorted((a, b) => (a.since ?? 0) - (b.since ?? 0)),
        );
      });
    });
  }

  private membersOf({ conn }: WampSession, topic: string, isFresh: boolean): Settled<Members> {
    const known = this.known.get(topic);
    if (known !== undefined && known.until > Date.now() && !isFresh) return known.members;
    return conn.members<Dict>(topic).then((members) => {
      // From when it is told: under load, the answer may take longer than it is known for.
      if (members.length > 0) keep(this.known, topic, { until: Date.now() + knownMs, members });
      return members;
    });
  }

  /** @param callees of one registration, in the order in which they registered. */
  private choose({ scope }: WampSession, callees: readonly Callee[]): Callee | undefined {
    const [first] = callees;
    // A second one for "single" has registered while the gateway of the first was silent.
    if (first === undefined || callees.length === 1 || first.invoke === "first" || first.invoke === "single") return first;
    if (first.invoke === "last") return callees.at(-1);
    if (first.invoke === "random") return callees[Math.floor(Math.random() * callees.length)];
    const registration = `${first.match} ${scope} ${first.registered}`;
    const round = this.rounds.get(registration) ?? 0;
    keep(this.rounds, registration, round + 1);
    return callees[round % callees.length];
  }
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= knownLimit) return;
    map.delete(oldest);
  }
}

function keepPatterns(session: WampSession, patterns: readonly RegisteredPattern[]): void {
  const { conn, scope } = session;
  session.update({ patterns });
  if (patterns.length === 0) conn.unsubscribe(topics.procedures(scope));
  else conn.subscribe(topics.procedures(scope), { as: { ...calleeOf(session), patterns } });
}

/** What callers have to know of it. */
function calleeOf({ id, state: { canCancel, takesPassthru } }: WampSession): Pick<Callee, "session" | "canCancel" | "takesPassthru"> {
  return { session: id, canCancel, ...(takesPassthru !== undefined && { takesPassthru }) };
}

/** Nobody else registers the same until the turn has committed; where NATS has no JetStream, that is not sure. */
async function isAlone({ conn }: WampSession, lock: string): Promise<boolean> {
  try {
    if ((await conn.lock(lock, { waitMs: lockMs })) === undefined) return false;
    conn.unlock(lock);
  } catch (error) {
    if (!isCodedError(error, "store.unavailable")) throw error;
  }
  return true;
}

function calleesOf(members: Members, procedure: string): Callee[] {
  return members.flatMap(({ info }): Callee | Callee[] => {
    const { patterns, ...who } = info as unknown as Callee & { readonly patterns?: readonly RegisteredPattern[] };
    if (patterns === undefined) return { ...who, match: "exact", registered: procedure };
    const found = patterns.filter(([match, pattern]) => pattern === procedure || matches(match as Match, pattern, procedure));
    return found.map(([match, registered, invoke, disclosesCaller, since]) => ({
      ...who,
      match: match as Match,
      registered,
      invoke,
      disclosesCaller,
      since,
    }));
  });
}

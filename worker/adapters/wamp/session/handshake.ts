// HELLO to WELCOME, or ABORT: who a client is. Source: the WAMP protocol, "Session Establishment" and "Authentication Methods".

import { createHmac, pbkdf2Sync, randomBytes, randomInt, timingSafeEqual } from "node:crypto";
import { warn } from "../../../adapter.ts";
import { pack, unpack } from "../messages/codec.ts";
import { isRealm, randomId } from "../messages/identifiers.ts";
import { type Dict, isDict, type MessageOf, type } from "../messages/messages.ts";
import type { Settled } from "./hooks.ts";
import { type Authenticating, abort, type Conn, type Identity, type Joined, send, violate } from "./session.ts";
import { callNumbers, scopeOf, topics } from "./topics.ts";

type Asked = Omit<Authenticating, "phase">;

export interface Hello {
  readonly realm: string;
  /** Who the client says that it is; empty where it does not. */
  readonly authid: string;
  readonly authextra: Dict;
  /** What `onUpgrade` named: whose cookie came with the handshake. */
  readonly user: string | undefined;
}

/** A client that is let in. */
export interface Admitted {
  readonly authrole: string;
  /** Missing: what the client said, or a random one for nobody. */
  readonly authid?: string;
  readonly authprovider?: string;
  /** Until when that holds: ABORT then, and a close with 4401. */
  readonly expiresAt?: Date;
}

/** What a client and the server share. With a salt, `secret` is the key that `deriveKey` made of a password. */
export interface SharedSecret extends Admitted {
  readonly secret: string;
  readonly salt?: string;
  readonly iterations?: number;
  readonly keylen?: number;
}

/** A function for each method that there is, each of which returns undefined to refuse. */
export interface Authenticators {
  anonymous?(hello: Hello): Settled<Admitted | undefined>;
  /** By `hello.user`: the cookie was looked at in onUpgrade. */
  cookie?(hello: Hello): Settled<Admitted | undefined>;
  /** "Ticket-based Authentication" */
  ticket?(hello: Hello, ticket: string): Settled<Admitted | undefined>;
  /** "Challenge Response Authentication" */
  wampcra?(hello: Hello): Settled<SharedSecret | undefined>;
}

export interface HandshakeOptions {
  readonly realms: readonly string[] | ((realm: string) => Settled<boolean>);
  readonly authenticate?: Authenticators;
  readonly prefix: string;
  /** Of the handler: for the log. */
  readonly path: string;
}

const everybody: Authenticators = { anonymous: () => ({ authrole: "anonymous" }) };
const usualIterations = 1_000;
const usualKeyBytes = 32;
/** What a client may say of itself. */
const authidBytes = 128;
const authextraBytes = 4_096;
const clientRoles = ["publisher", "subscriber", "caller", "callee"];
/** Of a list or a name, in the log. */
const loggedCharacters = 160;

const featuresOf = (names: string) => ({ features: Object.fromEntries(names.split(" ").map((name) => [name, true])) });
const identification = "publisher_identification publisher_exclusion subscriber_blackwhite_listing";
const passthru = "payload_passthru_mode";
const rpc = "caller_identification shared_registration progressive_call_results call_canceling call_timeout";
const roles = {
  broker: featuresOf(`${identification} pattern_based_subscription session_meta_api ${passthru}`),
  dealer: featuresOf(`${rpc} pattern_based_registration session_meta_api ${passthru}`),
};

/** Of a password, as it is stored for `wampcra`. "Password Salting" */
export function deriveKey(password: string, salt: string, iterations = usualIterations, keylen = usualKeyBytes): string {
  return pbkdf2Sync(password, salt, iterations, keylen, "sha256").toString("base64");
}

/** HELLO. "Session Establishment". @returns the session, where it has been welcomed. */
export async function greet(conn: Conn, [, realm, details]: MessageOf<"HELLO">, options: HandshakeOptions): Promise<Joined | undefined> {
  const { roles: offered, authmethods } = details as Record<string, never>;
  const authid = (details.authid as string | null | undefined) ?? "";
  if (!clientRoles.some((role) => isDict(offered?.[role]))) return violate(conn, `Details.roles has none of ${clientRoles.join(", ")}`);
  if (!isRealm(realm))
    return refuse(conn, options, ["wamp.error.invalid_uri", "the realm is no URI, or too long"], { realm: bounded(realm) });
  const { realms, authenticate = everybody } = options;
  const isKnown = typeof realms === "function" ? await realms(realm) : realms.includes(realm);
  if (!isKnown) {
    const has = typeof realms === "function" ? "those that its function realms allows" : bounded(realms);
    return refuse(conn, options, ["wamp.error.no_such_realm", "there is no such realm"], { realm, has });
  }
  const named = (authmethods ?? []) as readonly string[];
  // An empty list says nothing, as with other routers.
  const methods = named.length > 0 ? named : ["anonymous"];
  const authmethod = methods.find((name) => Object.hasOwn(authenticate, name)) as keyof Authenticators;
  if (authmethod === undefined) {
    const text = `the methods are ${Object.keys(authenticate).join(", ")}`;
    return refuse(conn, options, ["wamp.error.no_matching_auth_method", text], { realm, authmethods: bounded(methods), fault: text });
  }
  const announces = (feature: string, ...from: readonly string[]) =>
    from.some((role) => ((offered?.[role] as Dict | undefined)?.features as Dict | undefined)?.[feature] === true);
  const asked = {
    ...{ session: randomId(), realm, authmethod, challenge: "" },
    canCancel: announces("call_canceling", "callee"),
    takesPassthru: announces(passthru, ...clientRoles),
    authid,
    authextra: pack(details.authextra ?? {}),
  };
  if (Buffer.byteLength(authid) > authidBytes || !authid.isWellFormed() || asked.authextra.length > authextraBytes) {
    const text = `authid has at most ${authidBytes} bytes, authextra ${authextraBytes}`;
    return refuse(conn, options, ["wamp.error.invalid_argument", text], { realm, fault: text });
  }
  if (authmethod === "ticket") return challenge(conn, asked, {});
  const admitted = await authenticate[authmethod]?.(helloOf(conn, asked));
  if (!isAdmitted(admitted)) return letNobodyIn(conn, options, asked);
  if (authmethod !== "wampcra") return join(conn, asked, admitted, options.prefix);
  if (!isShared(admitted)) return letNobodyIn(conn, options, asked);
  const { salt, iterations = usualIterations, keylen = usualKeyBytes } = admitted;
  const { authid: shown, authrole, authprovider } = identityOf(conn, asked, admitted);
  const who = { authid: shown, authrole, authmethod, authprovider, session: asked.session };
  const text = JSON.stringify({ ...who, nonce: randomBytes(16).toString("base64url"), timestamp: new Date().toISOString() });
  return challenge(conn, { ...asked, challenge: text }, { challenge: text, ...(salt !== undefined && { salt, iterations, keylen }) });
}

function challenge(conn: Conn, asked: Asked, extra: Dict): undefined {
  conn.setState({ phase: "authenticating", ...asked });
  send(conn, [type.CHALLENGE, asked.authmethod, extra]);
}

/** AUTHENTICATE. "Authentication Methods". @returns the session, where it has been welcomed. */
export async function authenticated(
  conn: Conn,
  asked: Asked,
  [, signature]: MessageOf<"AUTHENTICATE">,
  options: HandshakeOptions,
): Promise<Joined | undefined> {
  const { authenticate = everybody } = options;
  const hello = helloOf(conn, asked);
  const isTicket = asked.authmethod === "ticket";
  const admitted = isTicket ? await authenticate.ticket?.(hello, signature) : await authenticate.wampcra?.(hello);
  const isShown = isTicket ? isAdmitted(admitted) : isShared(admitted) && isSigned(asked.challenge, admitted.secret, signature);
  return isShown ? join(conn, asked, admitted as Admitted, options.prefix) : letNobodyIn(conn, options, asked);
}

function letNobodyIn(conn: Conn, options: HandshakeOptions, { realm, authid, authmethod }: Asked): undefined {
  const about = { realm, authmethod, authid: (authmethod === "cookie" && conn.user) || authid };
  return refuse(conn, options, ["wamp.error.authentication_failed", "this client is not let in"], about);
}

/** ABORT tells whoever guesses as little as it may; the log tells more. @param about Bounded, and no secret. */
function refuse(conn: Conn, { path }: HandshakeOptions, [uri, text]: readonly [string, string], about: object): undefined {
  warn({ code: uri, route: path }, { connection: conn.id, ...about }, "WAMP: a client may not join");
  return abort(conn, uri, text, 3000);
}

function bounded(said: string | readonly string[]): string {
  return [said].flat().join(", ").slice(0, loggedCharacters);
}

/** What a forgotten return or a missing row makes of it lets nobody in. */
function isAdmitted(admitted: unknown): admitted is Admitted {
  return isDict(admitted) && typeof admitted.authrole === "string";
}

function isShared(admitted: unknown): admitted is SharedSecret {
  return isAdmitted(admitted) && "secret" in admitted && typeof admitted.secret === "string" && admitted.secret !== "";
}

function isSigned(text: string, secret: string, signature: string): boolean {
  const expected = createHmac("sha256", secret).update(text).digest();
  const given = Buffer.from(signature, "base64");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function join(conn: Conn, asked: Asked, admitted: Admitted, prefix: string): Joined {
  const { session, realm, canCancel, takesPassthru = false } = asked;
  const identity = identityOf(conn, asked, admitted);
  const scope = scopeOf(prefix, realm);
  // Of two sessions that share an inbox, one would get what the other has called for, where both have a call of the same number at one callee.
  const lastCall = randomInt(callNumbers - 1);
  const nothingYet = { patterns: [], calls: [], lastCall, timerAt: 0 };
  const joined: Joined = {
    phase: "joined",
    session,
    realm,
    ...(prefix !== "" && { scope }),
    canCancel,
    takesPassthru,
    ...identity,
    ...nothingYet,
    invoked: { last: 0, open: [], hasOthers: false },
  };
  conn.setState(joined);
  conn.setExpiresAt(admitted.expiresAt);
  if (conn.user === undefined && asked.authmethod !== "anonymous") conn.setUser(identity.authid);
  conn.subscribe(topics.inbox(scope, session), { hook: true, as: { session, realm, ...identity } });
  conn.subscribe(topics.sessions(scope), { as: { session, authid: identity.authid, authrole: identity.authrole } });
  send(conn, [type.WELCOME, session, { realm, ...identity, roles }]);
  return joined;
}

function helloOf({ user }: Conn, { realm, authid, authextra }: Asked): Hello {
  return { realm, authid, authextra: unpack(authextra) as Dict, user };
}

function identityOf(conn: Conn, { authid: said, authmethod, session }: Asked, admitted: Admitted): Identity {
  // A cookie has shown who it is: what HELLO says beside it is a mere claim.
  const shown = authmethod === "anonymous" ? undefined : authmethod === "cookie" ? conn.user : said || conn.user;
  const { authid = shown ?? `anonymous-${session.toString(36)}`, authrole, authprovider = "dynamic" } = admitted;
  return { authid, authrole, authmethod, authprovider };
}

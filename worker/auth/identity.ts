// What all ways of finding out who a client is have in common: what they return, and how they refuse.

import { CodedError } from "../../protocol/errors.ts";
import { checkUser } from "../../protocol/user.ts";
import type { Connection, UpgradeRequest } from "../handler.ts";
import { type OutputOf, type Schema, validateNow } from "../schema.ts";

/** A client that has shown who it is. */
export interface Identity<Claims> {
  readonly user: string;
  /** What else was said of it, as the `claims` schema makes it. */
  readonly claims: Claims;
  /** Until when that holds, for a Welcome or `conn.setExpiresAt`; undefined: no end was set. */
  readonly expiresAt: Date | undefined;
}

/** Claims as they came, where there is no schema for them. */
export type AnyClaims = Readonly<Record<string, unknown>>;
export type ClaimsOf<ClaimsSchema extends Schema | undefined> = OutputOf<ClaimsSchema, AnyClaims>;

/** What onUpgrade and onRequest are called with, as far as a client may show something in it. */
export type ShownIn = Pick<UpgradeRequest, "headers" | "query"> | Request;

/** Answered with 401, and in a turn with a close of 4401. @param what for the client: nothing that it has shown. */
export function refused(what: string): CodedError {
  return new CodedError("auth.refused", what);
}

/** Our own fault, or a network's: answered with 503. */
export function unavailable(what: string, cause: unknown): CodedError {
  return new CodedError("auth.unavailable", `${what}: ${(cause as Error).message}`, { cause });
}

/** @throws {CodedError} "auth.refused" where the user is none, or the claims do not fit. */
export function identityOf<ClaimsSchema extends Schema | undefined>(
  shown: { readonly user: unknown; readonly claims: unknown; readonly expiresAt: Date | undefined },
  schema: ClaimsSchema,
): Identity<ClaimsOf<ClaimsSchema>> {
  const claims = schema === undefined ? shown.claims : validateNow(schema, shown.claims, "auth.refused");
  try {
    return { user: checkUser(shown.user), claims: claims as ClaimsOf<ClaimsSchema>, expiresAt: shown.expiresAt };
  } catch {
    throw refused("it does not name a user");
  }
}

/** A header, whichever kind of request it is. */
export function headerOf({ headers }: ShownIn, name: string): string | undefined {
  return headers instanceof Headers ? (headers.get(name) ?? undefined) : headers[name];
}

/** A parameter of the query. */
export function parameterOf(request: ShownIn, name: string): string | undefined {
  const query = "query" in request ? request.query : new URL(request.url).searchParams;
  return query.get(name) ?? undefined;
}

/** @returns what onUpgrade or `identify` has named the client. @throws {CodedError} "auth.refused", which closes with 4401. */
export function userOf({ user }: Pick<Connection, "user">): string {
  if (user === undefined) throw refused("nobody has been named yet");
  return user;
}

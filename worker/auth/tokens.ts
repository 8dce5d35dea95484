// JSON Web Tokens that an issuer of yours has signed (RFC 7519): in `Authorization: Bearer`, in the query, or in a message.
//
//   const tokens = bearerTokens({ issuer: "https://id.example.com", audience: "chat", jwks: "https://id.example.com/jwks.json" });
//   …
//   async onUpgrade(request) {
//     const { user, expiresAt } = await tokens.check(request);
//     return { user, expiresAt };
//   },

import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import { isCodedError } from "../../protocol/errors.ts";
import type { Schema } from "../schema.ts";
import { type ClaimsOf, headerOf, type Identity, identityOf, parameterOf, refused, type ShownIn, unavailable } from "./identity.ts";
import { keysInFile } from "./key-file.ts";
import { keysAt } from "./key-url.ts";
import { secretKeys } from "./secret.ts";

export interface TokenOptions<ClaimsSchema extends Schema | undefined> {
  /** Who may have issued it: `iss`. */
  readonly issuer: string | readonly string[];
  /** For whom it has to be: one of `aud`. */
  readonly audience: string | readonly string[];
  /**
   * The issuer's public keys (RFC 7517): a URL, a file, or the set itself. A URL is fetched when it is needed first, after ten minutes, and
   * for a key that is unknown, at most every 30 s; while that fails, its keys stay good for four hours. A file is read again in the same way
   * after 10 s, and its keys stay good for an hour.
   */
  readonly jwks?: string | JSONWebKeySet;
  /** Instead of `jwks`, for HS256: shared with the issuer, at least 32 bytes. Of several each is accepted. */
  readonly secret?: string | undefined | readonly (string | undefined)[];
  /** A Standard Schema, synchronous: makes `claims` of the whole payload, and refuses what does not fit. */
  readonly claims?: ClaimsSchema;
  /** The claim that names the user. */
  readonly user?: string;
  /** The query's parameter where a token may be, too: a browser's WebSocket sends no headers. Proxies may log it, thinstate does not. */
  readonly query?: string;
  /** How much clocks may differ, in milliseconds. */
  readonly toleranceMs?: number;
}

/** Signatures with a key pair: what a set of public keys is for. */
const publicAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

/** The client's token is wrong, and nothing else. */
const tokenFaults = /^ERR_(?:JWT|JWS|JOSE_ALG|JOSE_NOT_SUPPORTED|JWKS_NO_MATCHING_KEY)/;

/** @throws where the options name no keys, or too short a secret: the handler then does not load. */
export function bearerTokens<ClaimsSchema extends Schema | undefined = undefined>(
  options: TokenOptions<ClaimsSchema>,
): Tokens<ClaimsSchema> {
  return new Tokens(options);
}

export class Tokens<ClaimsSchema extends Schema | undefined> {
  private readonly options: TokenOptions<ClaimsSchema>;
  private readonly keys: JWTVerifyGetKey | readonly Uint8Array[];
  private readonly algorithms: string[];

  constructor(options: TokenOptions<ClaimsSchema>) {
    this.options = options;
    if (options.jwks === undefined) this.keys = secretKeys(options.secret);
    else this.keys = keysOf(options.jwks);
    this.algorithms = options.jwks === undefined ? ["HS256"] : publicAlgorithms;
  }

  /** Of onUpgrade's or onRequest's request. @throws {CodedError} "auth.refused" or "auth.unavailable", which answer with 401 and 503. */
  async check(request: ShownIn): Promise<Identity<ClaimsOf<ClaimsSchema>>> {
    const { query } = this.options;
    const bearer = /^bearer +(\S+) *$/i.exec(headerOf(request, "authorization") ?? "")?.[1];
    const token = bearer ?? (query === undefined ? undefined : parameterOf(request, query));
    if (token === undefined) throw refused("there is no token");
    return this.verify(token);
  }

  /** Wherever it was, in a message for one. @throws {CodedError} as `check`; in a turn they close with 4401 and 1013. */
  async verify(token: unknown): Promise<Identity<ClaimsOf<ClaimsSchema>>> {
    if (typeof token !== "string") throw refused("a token is text");
    const { user = "sub", claims } = this.options;
    const payload = await this.payloadOf(token);
    return identityOf({ user: payload[user], claims: payload, expiresAt: endOf(payload) }, claims as ClaimsSchema);
  }

  private async payloadOf(token: string): Promise<JWTPayload> {
    const { issuer, audience, toleranceMs = 5_000 } = this.options;
    const { algorithms, keys } = this;
    const clockTolerance = toleranceMs / 1000;
    const expected = { issuer: [issuer].flat(), audience: [audience].flat(), algorithms, clockTolerance, requiredClaims: ["exp"] };
    try {
      return await (typeof keys === "function" ? payloadBySet(keys, token, expected) : payloadByAny(keys, token, expected));
    } catch (error) {
      throw refusalOf(error);
    }
  }
}

async function payloadBySet(getKey: JWTVerifyGetKey, token: string, expected: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, getKey, expected)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // The token names no key, and several of them may have signed it: an issuer that leaves `kid` out replaces its key.
    return payloadByAny(error, token, expected);
  }
}

/** Tries one key after the other. @throws what the last one that was tried is refused with. */
async function payloadByAny(
  keys: Iterable<Uint8Array> | AsyncIterable<CryptoKey>,
  token: string,
  expected: JWTVerifyOptions,
): Promise<JWTPayload> {
  let fault = new errors.JWSSignatureVerificationFailed();
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, expected)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      fault = error;
    }
  }
  throw fault;
}

/** @throws {CodedError} "auth.refused" where it is further away than a Date can tell. */
function endOf({ exp }: JWTPayload): Date {
  const end = new Date(Number(exp) * 1000);
  if (Number.isNaN(end.getTime())) throw refused("the token's exp is no date: it is in seconds since 1970");
  return end;
}

function keysOf(jwks: string | JSONWebKeySet): JWTVerifyGetKey {
  if (typeof jwks !== "string") return createLocalJWKSet(jwks);
  return /^https?:\/\//.test(jwks) ? keysAt(jwks) : keysInFile(jwks);
}

// Without its cause: an error of jose's has the payload.
function refusalOf(error: unknown): Error {
  if (isCodedError(error)) return error;
  if (error instanceof errors.JWTExpired) return refused("the token has expired");
  if (error instanceof errors.JOSEError && tokenFaults.test(error.code)) return refused(`the token is not valid: ${error.message}`);
  return unavailable("the keys for tokens cannot be had", error);
}

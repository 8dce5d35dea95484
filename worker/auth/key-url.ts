// The keys of an issuer of tokens, from its URL (a JSON Web Key Set: RFC 7517, 5).

import { createRemoteJWKSet, type JWTVerifyGetKey } from "jose";
import { KeptKeys } from "./kept-keys.ts";

/** A key that the issuer has taken out is not accepted for longer. */
const rereadMs = 10 * 60_000;
const pauseMs = 30_000;
/** How long keys stay good while the issuer is away. A key that it withdraws meanwhile is accepted for as long. */
export const keptWithoutIssuerMs = 4 * 60 * 60_000;
const fetchTimeoutMs = 5_000;

export function keysAt(address: string): JWTVerifyGetKey {
  const url = new URL(address);
  // When to fetch is decided here: jose would forget the keys before it fetches.
  const remote = createRemoteJWKSet(url, { timeoutDuration: fetchTimeoutMs, cacheMaxAge: Infinity, cooldownDuration: Infinity });
  const read = async () => {
    await remote.reload();
    return remote;
  };
  const source = { name: `${url.origin}${url.pathname}`, read, rereadMs, pauseMs, keepMs: keptWithoutIssuerMs };
  return new KeptKeys(source, () => performance.now()).get;
}

// For tests of handlers that want tokens: an issuer with a key pair of its own.

import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from "jose";

export interface TestIssuer {
  /** Its public keys: for `bearerTokens({ jwks })`, or as JSON in a file. */
  readonly jwks: JSONWebKeySet;
  /** @param claims `{ sub: "ada" }` @param lifetimeMs of the token; a negative one has expired. */
  token(claims: Readonly<Record<string, unknown>>, lifetimeMs?: number): Promise<string>;
}

export async function testIssuer({ issuer, audience }: { issuer: string; audience: string }): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const kid = `test-${Math.random().toString(36).slice(2)}`;
  return {
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }] },
    token: (claims, lifetimeMs = 60_000) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: "ES256", kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setExpirationTime(Math.floor((Date.now() + lifetimeMs) / 1000))
        .sign(privateKey),
  };
}

// A session in a signed cookie: made when somebody logs in, over HTTP, and read on upgrade. The server keeps nothing of it. It is a JSON
// Web Token (HS256), so that another program, a PHP page for one, can make it or read it with a library of its own.
//
//   const sessions = sessionCookie({ secret: process.env.SESSION_SECRET });
//   …
//   async onRequest(request) {                         // POST: a name and a password, say
//     return new Response(null, { status: 204, headers: { "set-cookie": await sessions.cookie({ user: "ada" }) } });
//   },
//   async onUpgrade(request) {
//     const { user, expiresAt } = await sessions.check(request);
//     return { user, expiresAt };
//   },

import { parseCookie, stringifySetCookie } from "cookie";
import { SignJWT } from "jose";
import type { Schema } from "../schema.ts";
import { type AnyClaims, type ClaimsOf, headerOf, type Identity, identityOf, refused, type ShownIn } from "./identity.ts";
import { secretKeys } from "./secret.ts";
import { bearerTokens, type Tokens } from "./tokens.ts";

export interface SessionOptions<ClaimsSchema extends Schema | undefined> {
  /** At least 32 bytes. Of several the first one signs, and all are accepted: so a secret can be replaced. */
  readonly secret: string | undefined | readonly (string | undefined)[];
  /** The cookie's. By default `__Host-session`, which browsers take from this host alone and over TLS alone; `session` where not `secure`. */
  readonly name?: string;
  /** How long a session lasts, in milliseconds: 12 hours. */
  readonly lifetimeMs?: number;
  /** Only over TLS, or from localhost. Safari wants TLS there, too. */
  readonly secure?: boolean;
  /** Sent with requests of other sites? `lax`: when a link leads here. */
  readonly sameSite?: "strict" | "lax" | "none";
  /** A Standard Schema, synchronous, for what the session says beside its user. */
  readonly claims?: ClaimsSchema;
}

/** A session is no other token that the same secret has signed. */
const issuer = "thinstate:session";
const usualLifetimeMs = 12 * 60 * 60 * 1000;

/** @throws where a secret is missing or too short: the handler then does not load. */
export function sessionCookie<ClaimsSchema extends Schema | undefined = undefined>(
  options: SessionOptions<ClaimsSchema>,
): Sessions<ClaimsSchema> {
  return new Sessions(options);
}

export class Sessions<ClaimsSchema extends Schema | undefined> {
  readonly name: string;
  private readonly options: SessionOptions<ClaimsSchema>;
  private readonly key: Uint8Array;
  private readonly tokens: Tokens<undefined>;

  constructor(options: SessionOptions<ClaimsSchema>) {
    this.options = options;
    this.name = options.name ?? ((options.secure ?? true) ? "__Host-session" : "session");
    this.key = secretKeys(options.secret)[0] as Uint8Array;
    this.tokens = bearerTokens({ issuer, audience: this.name, secret: options.secret, toleranceMs: 0 });
  }

  /** A Set-Cookie header's value for somebody who has logged in. A browser has room for 4 KiB. */
  async cookie({ user, claims = {} }: { readonly user: string; readonly claims?: AnyClaims }): Promise<string> {
    const { lifetimeMs = usualLifetimeMs, claims: schema } = this.options;
    const checked = identityOf({ user, claims, expiresAt: undefined }, schema);
    const until = Math.floor((Date.now() + lifetimeMs) / 1000);
    const token = await new SignJWT({ claims: checked.claims })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer(issuer)
      .setAudience(this.name)
      .setSubject(user)
      .setIssuedAt()
      .setExpirationTime(until)
      .sign(this.key);
    return this.header(token, Math.floor(lifetimeMs / 1000));
  }

  /** A Set-Cookie header's value that ends the session in this browser. Connections stay: `app.closeUser` closes them. */
  clear(): string {
    return this.header("", 0);
  }

  /** Of onUpgrade's or onRequest's request. @throws {CodedError} "auth.refused", which answers with 401. */
  async check(request: ShownIn): Promise<Identity<ClaimsOf<ClaimsSchema>>> {
    const token = parseCookie(headerOf(request, "cookie") ?? "")[this.name];
    if (token === undefined || token === "") throw refused("there is no session");
    const { user, claims, expiresAt } = await this.tokens.verify(token);
    return identityOf({ user, claims: claims.claims, expiresAt }, this.options.claims as ClaimsSchema);
  }

  private header(value: string, maxAge: number): string {
    const { secure = true, sameSite = "lax" } = this.options;
    return stringifySetCookie({ name: this.name, value, maxAge, path: "/", httpOnly: true, secure, sameSite });
  }
}

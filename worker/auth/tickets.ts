// One-time tickets: a page fetches one over HTTP, where it has its cookies and headers, and shows it in the WebSocket's URL. What is
// then in a proxy's log is of no use to anybody. Any worker may issue it, any other may be shown it: they keep it in NATS (JetStream).
//
//   const tickets = oneTimeTickets({ purpose: "chat" });
//   …
//   async onRequest(request, { app }) {
//     const { user } = await sessions.check(request);
//     return Response.json({ ticket: await tickets.issue(app, { user }) });
//   },
//   async onUpgrade(request) {
//     const { user } = await tickets.check(request);   // new WebSocket(`…?ticket=${ticket}`)
//     return { user };
//   },

import { createHash, randomBytes } from "node:crypto";
import { checkUser } from "../../protocol/user.ts";
import type { App, UpgradeRequest } from "../handler.ts";
import { expiryTime } from "../identity.ts";
import type { Schema } from "../schema.ts";
import { type AnyClaims, type ClaimsOf, type Identity, identityOf, refused } from "./identity.ts";

export interface TicketOptions<ClaimsSchema extends Schema | undefined> {
  /** What the tickets are for. One of another purpose is refused: handlers that take each other's tickets have the same one. */
  readonly purpose: string;
  /** How long it may take to show a ticket, in milliseconds: 30 s, and five minutes at most. */
  readonly lifetimeMs?: number;
  /** The query's parameter: `ticket`. */
  readonly query?: string;
  /** A Standard Schema, synchronous, for what a ticket says beside its user. It is kept as JSON. */
  readonly claims?: ClaimsSchema;
}

/** What a ticket stands for. */
export interface TicketFor {
  readonly user: string;
  readonly claims?: AnyClaims;
  /** Until when the connection is valid: that of the session, for one. Not the ticket's own. */
  readonly expiresAt?: Date | undefined;
}

interface Stored {
  readonly user: string;
  readonly claims: unknown;
  /** Milliseconds since 1970; 0: no end. */
  readonly expiresAt: number;
  readonly validUntil: number;
}

const usualLifetimeMs = 30_000;
/** As long as the store keeps it. */
const mostLifetimeMs = 5 * 60_000;

/** @throws where there is no purpose, or the lifetime is none: the handler then does not load. */
export function oneTimeTickets<ClaimsSchema extends Schema | undefined = undefined>(
  options: TicketOptions<ClaimsSchema>,
): Tickets<ClaimsSchema> {
  return new Tickets(options);
}

export class Tickets<ClaimsSchema extends Schema | undefined> {
  private readonly options: TicketOptions<ClaimsSchema>;
  private readonly lifetimeMs: number;

  constructor(options: TicketOptions<ClaimsSchema>) {
    this.options = options;
    this.lifetimeMs = options.lifetimeMs ?? usualLifetimeMs;
    // Handlers in JavaScript, or with a variable that is not set, have no type check.
    if (typeof options.purpose !== "string" || options.purpose === "") throw new TypeError("tickets need a purpose");
    if (this.lifetimeMs > 0 && this.lifetimeMs <= mostLifetimeMs) return;
    throw new RangeError(`lifetimeMs is more than 0 and at most ${mostLifetimeMs}, not ${this.lifetimeMs}`);
  }

  /** @throws {CodedError} "auth.unavailable" where NATS has no JetStream, or no room; "identity.invalid". */
  async issue(app: Pick<App, "oneTime">, { user, claims = {}, expiresAt }: TicketFor): Promise<string> {
    const ticket = randomBytes(32).toString("base64url");
    const validUntil = Date.now() + this.lifetimeMs;
    const stored: Stored = { user: checkUser(user), claims, expiresAt: expiryTime(expiresAt), validUntil };
    await app.oneTime.put(this.keyOf(ticket), JSON.stringify(stored));
    return ticket;
  }

  /**
   * Takes the ticket: nobody can show it again. If the worker dies before the connection has opened, onUpgrade runs in another one, where
   * the same upgrade finds its ticket again.
   * @throws {CodedError} "auth.refused" or "auth.unavailable", which answer with 401 and 503.
   */
  async check(request: Pick<UpgradeRequest, "query" | "app" | "id" | "redelivered">): Promise<Identity<ClaimsOf<ClaimsSchema>>> {
    const ticket = request.query.get(this.options.query ?? "ticket");
    if (ticket === null || ticket === "") throw refused("there is no ticket");
    const text = await request.app.oneTime.take(this.keyOf(ticket), request.id);
    const stored = text === undefined ? undefined : (JSON.parse(text) as Stored);
    // One that runs again has shown it before, perhaps in time.
    if (stored === undefined || (stored.validUntil < Date.now() && !request.redelivered)) {
      throw refused("the ticket has been used, has expired, or never was one");
    }
    const expiresAt = stored.expiresAt === 0 ? undefined : new Date(stored.expiresAt);
    return identityOf({ user: stored.user, claims: stored.claims, expiresAt }, this.options.claims as ClaimsSchema);
  }

  // Whoever reads the store finds no ticket that he could show.
  private keyOf(ticket: string): string {
    return createHash("sha256").update(`${this.options.purpose}\0${ticket}`).digest("base64url");
  }
}

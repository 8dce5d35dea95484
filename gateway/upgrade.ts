// What happens before a connection is one: which route, is the origin allowed, which subprotocol, and, where the handler
// wants to decide, the worker's answer. The same for plain HTTP.

import { type ErrorCode, errorTable } from "../protocol/errors.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import { parseResponded, parseUpgraded, toWorker, type UpgradedBody } from "../protocol/records.ts";
import type { Asks } from "./asks.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Answer, WaitingClient, WaitingUpgrade } from "./uws/client.ts";
import type { Incoming } from "./uws/request.ts";

/** What the gateway knows of a client that has been let in. */
export interface Admission {
  readonly path: string;
  readonly query: string;
  readonly ip: string;
  readonly user: string | undefined;
  readonly subprotocol: string;
  readonly state: Uint8Array | undefined;
}

export interface UpgradesOptions<Data extends object> {
  readonly dispatcher: Dispatcher;
  readonly asks: Asks;
  readonly now: () => number;
  readonly limits: { readonly parkMs: number };
  /** What kills workers was given up. */
  readonly onPoison: (kind: Kind, method: string, path: string) => void;
  /** Makes what comes with all that the socket says. */
  readonly admit: (admission: Admission) => Data;
}

type Kind = "upgrade" | "request";

interface Waiting {
  readonly kind: Kind;
  readonly since: number;
  readonly client: WaitingClient;
  readonly proceed: () => void;
}

/** How many ended how: accepted, refused by the handler, an answer's status, or one of our errors' codes. */
class Outcomes {
  readonly counts: Record<string, number> = {};

  /** @param usual those that are told of before the first. */
  constructor(...usual: readonly string[]) {
    for (const outcome of usual) this.counts[outcome] = 0;
  }

  count(outcome: string): void {
    this.counts[outcome] = (this.counts[outcome] ?? 0) + 1;
  }
}

export class Upgrades<Data extends object> {
  /** Clients are to look for another gateway. */
  isDraining = false;
  readonly outcomes = { upgrade: new Outcomes("accepted", "refused"), request: new Outcomes() };
  private readonly options: UpgradesOptions<Data>;
  /** Parked until there is a worker: until then nobody knows which paths exist. */
  private waiting: Waiting[] = [];
  /**
   * The bytes of requests' bodies, from when they wait for a worker until they are answered: a worker that dies leaves them to the next.
   * What else waits costs no more than its socket does.
   */
  private readonly bodies = new Map<WaitingClient, number>();

  constructor(options: UpgradesOptions<Data>) {
    this.options = options;
  }

  get parked(): number {
    return this.waiting.length + this.options.asks.size;
  }

  upgrade(incoming: Incoming, client: WaitingUpgrade<Data>): void {
    if (this.isDraining) return this.refuse("upgrade", client, 503, "gateway.restarts");
    const match = this.options.dispatcher.route(incoming.path);
    if (match === undefined) return this.park("upgrade", client, () => this.upgrade(incoming, client));
    if (match === null) return this.refuse("upgrade", client, 404, "route.unknown");
    const { route } = match;
    if (!isAllowedOrigin(incoming, route)) return this.refuse("upgrade", client, 403, "upgrade.origin");
    if (route.upgrades) return this.ask(incoming, client, route);
    this.accept(incoming, client, { ok: true, subprotocol: undefined, headers: [] }, route);
  }

  request(incoming: Incoming, body: Uint8Array | undefined, client: WaitingClient): void {
    const match = this.options.dispatcher.route(incoming.path);
    if (match === null) return this.refuse("request", client, 404, "route.unknown");
    if (match === undefined) {
      if (!this.keep(client, body)) return this.refuse("request", client, 503, "parked.total");
      return this.park("request", client, () => this.request(incoming, body, client));
    }
    if (!match.route.answers) return this.answer(client, text(426, "this path speaks WebSocket", [["upgrade", "websocket"]]));
    if (body === undefined) return this.answer(client, text(413, "the body is too large"));
    if (!this.keep(client, body)) return this.refuse("request", client, 503, "parked.total");
    const { method, path, query, ip, headers } = incoming;
    this.options.asks.ask({
      type: toWorker.request,
      body: (redelivered) => packValue({ method, path, query, ip, headers, body, redelivered }),
      onAnswer: (payload) => this.answer(client, parseResponded(payload)),
      onBroken: () => this.refuse("request", client, 500, "envelope.malformed"),
      onTimeout: () => this.refuse("request", client, 503, "upgrade.parked"),
      onPoison: () => this.refusePoison("request", incoming, client),
      isOver: () => client.isGone,
    });
  }

  /** Takes no more upgrades. What a worker was asked is still answered. */
  drain(): void {
    this.isDraining = true;
    for (const { kind, client } of this.waiting.splice(0)) if (!client.isGone) this.refuse(kind, client, 503, "gateway.restarts");
  }

  /** There may be a worker now. */
  retry(): void {
    if (this.options.dispatcher.serving) for (const { client, proceed } of this.waiting.splice(0)) if (!client.isGone) proceed();
    this.options.asks.retry();
  }

  sweep(): void {
    this.options.asks.sweep();
    const latest = this.options.now() - this.options.limits.parkMs;
    this.waiting = this.waiting.filter(({ kind, since, client }) => {
      if (client.isGone) return false;
      if (since > latest) return true;
      this.refuse(kind, client, 503, "upgrade.parked");
      return false;
    });
    for (const client of this.bodies.keys()) if (client.isGone) this.drop(client);
  }

  // Whether there is room for its body, or was already.
  private keep(client: WaitingClient, body: Uint8Array | undefined): boolean {
    const bytes = body?.length ?? 0;
    if (bytes === 0 || this.bodies.has(client)) return true;
    if (!this.options.dispatcher.parking.keepBody(bytes)) return false;
    this.bodies.set(client, bytes);
    return true;
  }

  private drop(client: WaitingClient): void {
    const bytes = this.bodies.get(client);
    if (bytes === undefined) return;
    this.bodies.delete(client);
    this.options.dispatcher.parking.dropBody(bytes);
  }

  private park(kind: Kind, client: WaitingClient, proceed: () => void): void {
    this.waiting.push({ kind, since: this.options.now(), client, proceed });
  }

  private ask(incoming: Incoming, client: WaitingUpgrade<Data>, route: RouteHello): void {
    const { path, query, ip, headers } = incoming;
    this.options.asks.ask({
      type: toWorker.upgrade,
      body: (redelivered) => packValue({ path, query, ip, headers, redelivered }),
      onAnswer: (payload) => {
        const body = parseUpgraded(payload);
        if (body.ok) this.accept(incoming, client, body, route);
        else {
          this.outcomes.upgrade.count("refused");
          client.answer(body);
        }
      },
      onBroken: () => this.refuse("upgrade", client, 500, "envelope.malformed"),
      onTimeout: () => this.refuse("upgrade", client, 503, "upgrade.parked"),
      onPoison: () => this.refusePoison("upgrade", incoming, client),
      isOver: () => client.isGone,
    });
  }

  private accept(incoming: Incoming, client: WaitingUpgrade<Data>, body: UpgradedBody & { ok: true }, route: RouteHello): void {
    const subprotocol = body.subprotocol ?? offeredSubprotocols(incoming).find((offered) => route.subprotocols.includes(offered)) ?? "";
    const { path, query, ip } = incoming;
    const admit = () => {
      this.outcomes.upgrade.count("accepted");
      return this.options.admit({ path, query, ip, user: body.user, subprotocol, state: body.state });
    };
    client.accept(admit, subprotocol, body.headers);
  }

  private answer(client: WaitingClient, answer: Answer): void {
    this.drop(client);
    this.outcomes.request.count(String(answer.status));
    client.answer(answer);
  }

  private refusePoison(kind: Kind, { method, path }: Incoming, client: WaitingClient): void {
    this.options.onPoison(kind, method, path);
    this.refuse(kind, client, 500, "request.poison");
  }

  private refuse(kind: Kind, client: WaitingClient, status: number, code: ErrorCode): void {
    this.drop(client);
    this.outcomes[kind].count(code);
    client.answer(text(status, `${code}: ${errorTable[code].text}`, status === 503 ? [["retry-after", "5"]] : []));
  }
}

/**
 * A page of another site may not use its visitor's cookies here, unless the route names its origin. Programs that are no
 * browsers send no Origin and are let through: RFC 6455, 10.2.
 */
function isAllowedOrigin(incoming: Incoming, route: RouteHello): boolean {
  const origin = header(incoming, "origin");
  if (origin === undefined) return true;
  if (route.origins !== undefined) return route.origins.includes("*") || route.origins.includes(origin);
  try {
    return new URL(origin).host === header(incoming, "host");
  } catch {
    return false;
  }
}

function offeredSubprotocols(incoming: Incoming): string[] {
  return (header(incoming, "sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
}

function header(incoming: Incoming, name: string): string | undefined {
  return incoming.headers.find(([key]) => key === name)?.[1];
}

function text(status: number, body: string, headers: Answer["headers"] = []): Answer {
  return { status, headers: [["content-type", "text/plain; charset=utf-8"], ...headers], body: `${body}\n` };
}

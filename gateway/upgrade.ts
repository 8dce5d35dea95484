// What happens before a connection is one: which route, is the origin allowed, which subprotocol, and, where the handler
// wants to decide, the worker's answer. The same for plain HTTP.

import type { Logger } from "pino";
import { type ErrorCode, errorTable } from "../protocol/errors.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import { parseResponded, parseResponding, parseUpgraded, toWorker, type UpgradedBody } from "../protocol/records.ts";
import type { StreamedAnswer } from "./answer-streams.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { type HandshakeFault, handshakeFault, wantsWebSocket } from "./handshake.ts";
import { bodyOf, headFault, listOf } from "./head-faults.ts";
import { isAllowedOrigin } from "./origin.ts";
import { RequestBodies } from "./request-bodies.ts";
import type { Incoming } from "./uws/request.ts";
import type { Answer, WaitingClient, WaitingRequest, WaitingUpgrade } from "./uws/waiting-client.ts";
import type { WorkerRequests } from "./worker-requests.ts";

/** What the gateway knows of a client that has been let in. */
export interface Admission {
  readonly path: string;
  readonly query: string;
  readonly ip: string;
  readonly user: string | undefined;
  readonly subprotocol: string;
  readonly state: Uint8Array | undefined;
  /** Milliseconds since 1970; 0: never. */
  readonly expiresAt: number;
}

export interface UpgradesOptions<Data extends object> {
  /** Of the gateway. */
  readonly id: string;
  readonly dispatcher: Dispatcher;
  readonly requests: WorkerRequests;
  readonly now: () => number;
  readonly limits: { readonly parkMs: number; readonly bodyBytes: number };
  /** There are no files for more connections. */
  readonly isFull: () => boolean;
  readonly log: Logger;
  /** Makes what comes with all that the socket says. */
  readonly admit: (admission: Admission) => Data;
}

type Kind = "upgrade" | "request";

/** Of uWebSockets.js 20.30: it has room for nine digits. */
const readableBytes = 999_999_999;
const corkBytes = 16 * 1024;

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
  private readonly bodies: RequestBodies;
  /** Upgrades that workers were asked about. */
  private asked = 0;

  constructor(options: UpgradesOptions<Data>) {
    this.options = options;
    const { dispatcher, now, limits } = options;
    this.bodies = new RequestBodies({ parking: dispatcher.parking, now, limits });
  }

  get parked(): number {
    return this.waiting.length + this.options.requests.size;
  }

  upgrade(incoming: Incoming, client: WaitingUpgrade<Data>): void {
    const fault = handshakeFault(incoming);
    if (fault !== undefined) return this.refuseHandshake(fault, client);
    if (this.isDraining) return this.refuse("upgrade", client, 503, "gateway.restarts");
    if (this.options.isFull()) return this.refuse("upgrade", client, 503, "gateway.full");
    this.routeUpgrade(incoming, client);
  }

  request(incoming: Incoming, client: WaitingRequest): void {
    const malformed = headFault(incoming);
    if (malformed !== undefined) return this.refuseMalformed(malformed, client);
    // What lacks a key, or has one of another length, is not taken for an upgrade by uWebSockets.js.
    const fault = wantsWebSocket(incoming) ? handshakeFault(incoming) : undefined;
    if (fault !== undefined) return this.refuseHandshake(fault, client);
    const body = bodyOf(incoming);
    const close = body === undefined ? undefined : "linger";
    if (this.options.isFull()) return this.refuse("request", client, 503, "gateway.full", "now");
    const match = this.options.dispatcher.route(incoming.path);
    if (match === null) return this.refuse("request", client, 404, "route.unknown", close);
    if (match?.route.answers === false) return this.refusePlain(client, close);
    const bytes = body?.bytes ?? 0;
    if (bytes > this.options.limits.bodyBytes) return this.refuseTooLarge(bytes, client);
    this.bodies.read(client, body?.bytes, {
      onWhole: (whole) => this.routeRequest(incoming, whole, client),
      onRefused: (status, code) => this.refuse("request", client, status, code, "now"),
    });
  }

  private routeUpgrade(incoming: Incoming, client: WaitingUpgrade<Data>): void {
    const match = this.options.dispatcher.route(incoming.path);
    if (match === undefined) return this.park("upgrade", client, () => this.routeUpgrade(incoming, client));
    if (match === null) return this.refuse("upgrade", client, 404, "route.unknown");
    const { route } = match;
    if (!isAllowedOrigin(incoming, route.origins)) return this.refuse("upgrade", client, 403, "upgrade.origin");
    if (route.upgrades) return this.ask(incoming, client, route);
    this.accept(incoming, client, { ok: true, subprotocol: undefined, headers: [] }, route);
  }

  private routeRequest(incoming: Incoming, body: Uint8Array, client: WaitingClient): void {
    const match = this.options.dispatcher.route(incoming.path);
    if (match === undefined) return this.park("request", client, () => this.routeRequest(incoming, body, client));
    if (match === null) return this.refuse("request", client, 404, "route.unknown");
    if (!match.route.answers) return this.refusePlain(client, undefined);
    const { method, path, query, ip, headers } = incoming;
    client.onGone = this.options.requests.ask({
      what: `onRequest of ${match.route.path}`,
      type: toWorker.request,
      body: (redelivered) => packValue({ method, path, query, ip, headers, body, redelivered }),
      onAnswer: (payload) => this.answer(client, parseResponded(payload)),
      onBegun: (payload) => this.stream(incoming, client, payload),
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
    this.options.requests.retry();
  }

  sweep(): void {
    this.options.requests.sweep();
    const latest = this.options.now() - this.options.limits.parkMs;
    this.waiting = this.waiting.filter(({ kind, since, client }) => {
      if (client.isGone) return false;
      if (since > latest) return true;
      this.refuse(kind, client, 503, "upgrade.parked");
      return false;
    });
    this.bodies.sweep();
  }

  private park(kind: Kind, client: WaitingClient, proceed: () => void): void {
    this.waiting.push({ kind, since: this.options.now(), client, proceed });
  }

  private ask(incoming: Incoming, client: WaitingUpgrade<Data>, route: RouteHello): void {
    const { path, query, ip, headers } = incoming;
    const id = `${this.options.id}:upgrade-${++this.asked}`;
    client.onGone = this.options.requests.ask({
      what: `onUpgrade of ${route.path}`,
      type: toWorker.upgrade,
      body: (redelivered) => packValue({ path, query, ip, headers, redelivered, id }),
      onAnswer: (payload) => {
        const body = parseUpgraded(payload);
        if (body.ok) this.accept(incoming, client, body, route);
        else {
          this.outcomes.upgrade.count("refused");
          client.answer({ ...body, close: "now" });
        }
      },
      onBroken: () => this.refuse("upgrade", client, 500, "envelope.malformed"),
      onTimeout: () => this.refuse("upgrade", client, 503, "upgrade.parked"),
      onPoison: () => this.refusePoison("upgrade", incoming, client),
      isOver: () => client.isGone,
    });
  }

  private accept(incoming: Incoming, client: WaitingUpgrade<Data>, body: UpgradedBody & { ok: true }, route: RouteHello): void {
    const subprotocol =
      body.subprotocol ?? listOf(incoming, "sec-websocket-protocol").find((offered) => route.subprotocols.includes(offered)) ?? "";
    const { path, query, ip } = incoming;
    const admit = () => {
      this.outcomes.upgrade.count("accepted");
      return this.options.admit({ path, query, ip, user: body.user, subprotocol, state: body.state, expiresAt: body.expiresAt ?? 0 });
    };
    client.accept(admit, subprotocol, body.headers);
  }

  private answer(client: WaitingClient, answer: Answer): void {
    this.bodies.drop(client);
    this.outcomes.request.count(String(answer.status));
    client.answer(answer);
  }

  /** @throws {CodedError} "envelope.malformed" */
  private stream(incoming: Incoming, client: WaitingClient, payload: Buffer): StreamedAnswer {
    const { status, headers, length } = parseResponding(payload);
    const { request } = this.outcomes;
    return {
      begin: (onTaken) => {
        this.bodies.drop(client);
        return client.begin({ status, headers, length }, onTaken);
      },
      onEnd: () => request.count(String(status)),
      onCut: (reason) => {
        request.count("response.broken");
        const { method, path } = incoming;
        this.options.log.warn({ method, path, reason, code: "response.broken" }, "an answer was cut off before it was whole");
      },
    };
  }

  private refusePoison(kind: Kind, { method, path }: Incoming, client: WaitingClient): void {
    this.options.log.error({ kind, method, path, code: "request.poison" }, "given up: it was with three workers that died");
    this.refuse(kind, client, 500, "request.poison");
  }

  // Nobody answers plain HTTP there.
  private refusePlain(client: WaitingClient, close: Answer["close"]): void {
    this.answer(client, { ...text(426, "this path speaks WebSocket", [["upgrade", "websocket"]]), close });
  }

  private refuseTooLarge(bytes: number, client: WaitingClient): void {
    this.outcomes.request.count("request.tooLarge");
    const answer = text(413, `request.tooLarge: ${errorTable["request.tooLarge"].text}`);
    client.answer(bytes > readableBytes ? unread(answer) : { ...answer, close: "linger" });
  }

  private refuseMalformed(what: string, client: WaitingClient): void {
    this.outcomes.request.count("request.malformed");
    client.answer(unread(text(400, `request.malformed: ${what}`)));
  }

  private refuseHandshake(fault: HandshakeFault, client: WaitingClient): void {
    this.outcomes.upgrade.count("upgrade.handshake");
    const headers: Answer["headers"] =
      fault.status === 426
        ? [
            ["upgrade", "websocket"],
            ["sec-websocket-version", "13"],
          ]
        : [];
    client.answer(unread(text(fault.status, `upgrade.handshake: ${fault.text}`, headers)));
  }

  /** @param close a refused upgrade leaves no connection: what the client sends behind it may be frames. */
  private refuse(kind: Kind, client: WaitingClient, status: number, code: ErrorCode, close?: Answer["close"]): void {
    this.bodies.drop(client);
    this.outcomes[kind].count(code);
    const answer = text(status, `${code}: ${errorTable[code].text}`, status === 503 ? [["retry-after", "5"]] : []);
    client.answer({ ...answer, close: kind === "upgrade" ? "now" : close });
  }
}

function text(status: number, body: string, headers: Answer["headers"] = []): Answer {
  return { status, headers: [["content-type", "text/plain; charset=utf-8"], ...headers], body: `${body}\n` };
}

/**
 * An answer that has left before uWebSockets.js looks at the request's length: it then closes without writing what is corked. More than
 * its cork takes is written at once. Source: CORK_BUFFER_SIZE in its LoopData.h.
 */
function unread(answer: Answer): Answer {
  return { ...answer, body: String(answer.body).padEnd(corkBytes), close: "now" };
}

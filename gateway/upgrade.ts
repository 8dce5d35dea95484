// What happens before a connection is one: which route, is the origin allowed, which subprotocol, and, where the handler
// wants to decide, the worker's answer. The same for plain HTTP.

import type { Logger } from "pino";
import type { SparseLog } from "../process/sparse-log.ts";
import type { Slices } from "../process/time-slice.ts";
import { isForbiddenMethod } from "../protocol/http-methods.ts";
import { gatewayLevel } from "../protocol/level.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import { parseResponded, parseResponding, parseUpgraded, toWorker, type UpgradedBody } from "../protocol/records.ts";
import { pathsOf } from "../protocol/route-table.ts";
import { parseSession } from "../protocol/session.ts";
import type { Admission } from "./admission.ts";
import type { StreamedAnswer } from "./answer-streams.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { handshakeFault, wantsWebSocket } from "./handshake.ts";
import { bodyOf, headFault, isUrlTooLong, listOf } from "./head-faults.ts";
import { isOriginChecked, originFault } from "./origin.ts";
import { ParkedClients } from "./parked-clients.ts";
import { type Kind, Refusals } from "./refusals.ts";
import { type BodyClient, RequestBodies } from "./request-bodies.ts";
import type { Sessions } from "./sessions/sessions.ts";
import * as because from "./upgrade-refusals.ts";
import type { Incoming } from "./uws/request.ts";
import type { Answer, WaitingClient, WaitingUpgrade } from "./uws/waiting-client.ts";
import type { WorkerRequests } from "./worker-requests.ts";

export interface UpgradesOptions<Data extends object> extends Slices {
  /** Of the gateway. */
  readonly id: string;
  readonly dispatcher: Dispatcher;
  readonly requests: WorkerRequests;
  readonly sessions: Pick<Sessions, "take" | "has" | "findElsewhere">;
  readonly limits: { readonly parkMs: number; readonly bodyBytes: number; readonly urlBytes: number; readonly waiting: number };
  /** Those of HOSTS. */
  readonly hosts: () => readonly string[];
  /** There are no files for more connections. */
  readonly isFull: () => boolean;
  /** Whether one more connection of this user may be let in. */
  readonly mayEnter: (user: string | undefined) => boolean;
  readonly log: Logger;
  /** For what clients cause. */
  readonly sparseLog: SparseLog;
  /** Makes what comes with all that the socket says. */
  readonly admit: (admission: Admission) => Data;
}

export class Upgrades<Data extends object> {
  /** Clients are to look for another gateway. */
  isDraining = false;
  private readonly options: UpgradesOptions<Data>;
  private readonly waiting: ParkedClients;
  private readonly bodies: RequestBodies;
  /** Upgrades that workers were asked about. */
  private asked = 0;
  readonly refusals: Refusals;

  constructor(options: UpgradesOptions<Data>) {
    this.options = options;
    const { dispatcher, now, later, limits, log, sparseLog } = options;
    this.bodies = new RequestBodies({ parking: dispatcher.parking, now, limits });
    const paths = () => pathsOf(dispatcher.leastLoaded()?.table);
    this.refusals = new Refusals({ bodies: this.bodies, log, sparseLog, paths });
    this.waiting = new ParkedClients({
      now,
      later,
      limits,
      isServing: () => dispatcher.serving,
      onTimeout: (kind, client) => this.refusals.refuse(kind, client, because.undecided),
      onBug: (kind, client, error) => {
        log.error({ err: error }, "bug: a client that was parked gets an error, no other notices");
        this.refusals.refuse(kind, client, because.bug);
      },
    });
  }

  get outcomes(): Refusals["outcomes"] {
    return this.refusals.outcomes;
  }

  get parked(): number {
    return this.waiting.size + this.options.requests.size;
  }

  upgrade(incoming: Incoming, client: WaitingUpgrade<Data>): void {
    const fault = handshakeFault(incoming);
    if (fault !== undefined) return this.refusals.handshake(fault, incoming, client);
    if (this.isUrlTooLong(incoming)) return this.refusals.refuseAndLog("upgrade", incoming, client, because.urlTooLong);
    if (this.isDraining) return this.refusals.refuse("upgrade", client, because.restarts);
    if (this.options.isFull()) return this.refusals.refuse("upgrade", client, because.full);
    this.routeUpgrade(incoming, client);
  }

  /** Whatever can be refused without its body is, before that arrives. @param mayBeOfSession Not one of newcomers, for whom there may be no room. */
  request(incoming: Incoming, client: BodyClient, mayBeOfSession = false): void {
    const { refusals } = this;
    const malformed = headFault(incoming);
    if (malformed !== undefined) return refusals.malformed(malformed, incoming, client);
    // What lacks a key, or has one of another length, is not taken for an upgrade by uWebSockets.js.
    const fault = wantsWebSocket(incoming) ? handshakeFault(incoming) : undefined;
    if (fault !== undefined) return refusals.handshake(fault, incoming, client);
    const body = bodyOf(incoming);
    const close = body === undefined ? undefined : "linger";
    if (this.isUrlTooLong(incoming)) return refusals.refuseAndLog("request", incoming, client, { ...because.urlTooLong, close });
    if (isForbiddenMethod(incoming.method)) return refusals.method(incoming.method, client, close);
    if (!mayBeOfSession && this.options.isFull()) return refusals.refuse("request", client, { ...because.full, close: "now" });
    const route = this.routeOf(incoming, client, close);
    if (route === null) return;
    const bytes = body?.bytes ?? 0;
    const { bodyBytes } = this.options.limits;
    if (bytes > bodyBytes) return refusals.tooLarge(bytes, bodyBytes, incoming, client);
    this.bodies.read(client, body?.bytes, {
      onWhole: (whole) => this.routeRequest(incoming, whole, client),
      onRefused: (status, code) => {
        if (code === "request.tooLarge") refusals.tooLarge(undefined, bodyBytes, incoming, client);
        else refusals.refuse("request", client, { status, code, close: "now" });
      },
    });
  }

  private isUrlTooLong(incoming: Incoming): boolean {
    return isUrlTooLong(incoming, this.options.limits.urlBytes);
  }

  private routeUpgrade(incoming: Incoming, client: WaitingUpgrade<Data>): void {
    const match = this.options.dispatcher.route(incoming.path);
    if (match === undefined) return this.park("upgrade", client, () => this.routeUpgrade(incoming, client));
    if (match === null) return this.refusals.unknown("upgrade", incoming, client);
    const { route } = match;
    const fault = originFault(incoming, route, this.options.hosts());
    if (fault !== undefined) return this.refusals.origin("upgrade", fault, { client, route: route.path });
    if (route.upgrades) return this.ask(incoming, client, route);
    this.accept(incoming, client, { ok: true, subprotocol: undefined, headers: [] }, route);
  }

  /** @returns undefined while nobody knows which paths exist; null: the client has been refused. */
  private routeOf(incoming: Incoming, client: WaitingClient, close: Answer["close"]): RouteHello | null | undefined {
    const match = this.options.dispatcher.route(incoming.path);
    if (match === undefined) return undefined;
    const fault = match !== null && isOriginChecked(incoming) ? originFault(incoming, match.route, this.options.hosts()) : undefined;
    if (match === null) this.refusals.unknown("request", incoming, client, close);
    else if (!match.route.answers) this.refusals.plain(client, close);
    else if (fault !== undefined) this.refusals.origin("request", fault, { client, route: match.route.path, close });
    else return match.route;
    return null;
  }

  /** @param sessionMissing It was answered with a session that is not there. */
  private routeRequest(incoming: Incoming, body: Uint8Array, client: BodyClient, sessionMissing = false): void {
    const route = this.routeOf(incoming, client, undefined);
    if (route === undefined) return this.park("request", client, () => this.routeRequest(incoming, body, client, sessionMissing));
    if (route === null) return;
    if (this.refuseBeyond("request", client)) return;
    const { method, path, query, ip, headers } = incoming;
    client.onGone = this.options.requests.ask({
      what: `onRequest of ${route.path}`,
      type: toWorker.request,
      body: (redelivered) =>
        packValue({ method, path, query, ip, headers, body, redelivered, level: gatewayLevel, ...(sessionMissing && { sessionMissing }) }),
      onAnswer: (payload) => this.answer(client, parseResponded(payload)),
      onBegun: (payload) => this.stream(incoming, client, payload),
      onSession: (payload) =>
        this.options.sessions.take(parseSession(payload), {
          incoming,
          client,
          isAgain: sessionMissing,
          again: () => {
            if (sessionMissing) this.refusals.refuse("request", client, because.missingTwice);
            else this.routeRequest(incoming, body, client, true);
          },
          answer: (answer) => this.answer(client, answer),
          refuse: (refusal) => this.refusals.refuse("request", client, refusal),
          begun: (status) => this.begun(client, status),
        }),
      onBroken: () => this.refusals.refuse("request", client, because.broken),
      onTimeout: () => this.refusals.refuse("request", client, because.undecided),
      onPoison: () => this.refusals.poison("request", incoming, client),
      isOver: () => client.isGone,
    });
  }

  /** Takes no more upgrades. What a worker was asked is still answered. */
  drain(): void {
    this.isDraining = true;
    this.waiting.clear((kind, client) => this.refusals.refuse(kind, client, because.restarts));
  }

  /** There may be a worker now. */
  retry(): void {
    this.waiting.retry();
    this.options.requests.retry();
  }

  sweep(): void {
    this.options.requests.sweep();
    this.waiting.sweep();
    this.bodies.sweep();
  }

  /** @returns whether the client was refused, since too many wait. */
  private refuseBeyond(kind: Kind, client: WaitingClient): boolean {
    const isBeyond = this.parked >= this.options.limits.waiting;
    if (isBeyond) this.refusals.refuse(kind, client, because.tooMany);
    return isBeyond;
  }

  private park(kind: Kind, client: WaitingClient, proceed: () => void): void {
    if (this.refuseBeyond(kind, client)) return;
    this.waiting.add(kind, client, proceed);
  }

  private ask(incoming: Incoming, client: WaitingUpgrade<Data>, route: RouteHello): void {
    if (this.refuseBeyond("upgrade", client)) return;
    const { path, query, ip, headers } = incoming;
    const id = `${this.options.id}:upgrade-${++this.asked}`;
    client.onGone = this.options.requests.ask({
      what: `onUpgrade of ${route.path}`,
      type: toWorker.upgrade,
      body: (redelivered) => packValue({ path, query, ip, headers, redelivered, id, level: gatewayLevel }),
      onAnswer: (payload) => {
        const body = parseUpgraded(payload);
        if (body.ok) this.accept(incoming, client, body, route);
        else {
          this.outcomes.upgrade.count("refused");
          client.answer({ ...body, close: "now" });
        }
      },
      onBroken: () => this.refusals.refuse("upgrade", client, because.broken),
      onTimeout: () => this.refusals.refuse("upgrade", client, because.undecided),
      onPoison: () => this.refusals.poison("upgrade", incoming, client),
      isOver: () => client.isGone,
    });
  }

  private accept(incoming: Incoming, client: WaitingUpgrade<Data>, body: UpgradedBody & { ok: true }, route: RouteHello): void {
    if (!this.options.mayEnter(body.user)) return this.refusals.refuse("upgrade", client, because.tooFast);
    const { sessions } = this.options;
    if (body.session === undefined || sessions.has(body.session)) return this.enter(incoming, client, body, { route });
    const refuse = (why: Parameters<Refusals["refuse"]>[2]) => () => this.refusals.refuse("upgrade", client, why);
    sessions.findElsewhere(body.session, {
      onMissing: refuse(because.noSession),
      onSilent: refuse(because.unanswered),
      onRestart: refuse(because.restarts),
      onFound: (gateway) => this.enter(incoming, client, body, { route, gateway }),
    });
  }

  private enter(
    incoming: Incoming,
    client: WaitingUpgrade<Data>,
    body: UpgradedBody & { ok: true },
    { route, gateway }: { readonly route: RouteHello; readonly gateway?: string },
  ): void {
    const subprotocol =
      body.subprotocol ?? listOf(incoming, "sec-websocket-protocol").find((offered) => route.subprotocols.includes(offered)) ?? "";
    const { query, ip } = incoming;
    const { user, state, expiresAt = 0, session } = body;
    // Most routes have no parameters: their connections share one text, for as long as they live.
    const path = incoming.path === route.path ? route.path : incoming.path;
    const admit = () => {
      this.outcomes.upgrade.count("accepted");
      return this.options.admit({ path, query, ip, user, subprotocol, state, expiresAt, session, gateway });
    };
    client.accept(admit, subprotocol, body.headers);
  }

  private answer(client: WaitingClient, answer: Answer): void {
    this.begun(client, answer.status);
    client.answer(answer);
  }

  private begun(client: WaitingClient, status: number): void {
    this.bodies.drop(client);
    this.outcomes.request.count(String(status));
  }

  /** @throws {CodedError} "envelope.malformed" */
  private stream(incoming: Incoming, client: BodyClient, payload: Buffer): StreamedAnswer {
    const { status, headers, length } = parseResponding(payload);
    const { request } = this.outcomes;
    return {
      owner: client.owner,
      begin: (onTaken) => {
        this.bodies.drop(client);
        const noRoom = client.onPlain?.();
        if (noRoom === undefined) return client.begin({ status, headers, length }, onTaken);
        this.refusals.refuse("request", client, { ...noRoom, close: "now" });
        return null;
      },
      onEnd: () => request.count(String(status)),
      onCut: (reason) => {
        request.count("response.broken");
        const { method, path } = incoming;
        this.options.sparseLog.warn({ code: "response.broken" }, { method, path, reason }, "an answer was cut off before it was whole");
      },
    };
  }
}

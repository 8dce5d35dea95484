// What a handler's tests import: runs a handler on the same core as a worker does, without NATS, sockets or sleeping.
//
//   const app = await testHandler(chat);
//   const ada = await app.connect("/chat/blue?name=Ada");
//   await ada.send({ text: "hi" });
//   expect(ada.received).toEqual([{ joined: "Ada" }, { from: "Ada", text: "hi", sent: 1 }]);
//
// handlers/chat.test.ts shows more. What the gateway alone decides (the Origin check, pings of the WebSocket protocol, parking) is not in it.

import { usualExpireGraceMs } from "../process/settings.ts";
import { compileRoutes, matchRoute, type PathParams } from "../protocol/route-table.ts";
import { checkUser } from "../protocol/user.ts";
import { parseWorkerConfig } from "./config.ts";
import { frameOf } from "./effects.ts";
import { isClientFault } from "./failure.ts";
import type { App, Handler, Member, MembersFilter, Sendable } from "./handler.ts";
import { ClientRequest, refusalOf } from "./http-request.ts";
import { listed } from "./members.ts";
import { SessionAnswer, type SessionPlan } from "./session.ts";
import { Background } from "./testing/background.ts";
import type { HeldConnection } from "./testing/held-connection.ts";
import { type CrashPoint, InMemoryGateway, type TestLimits as Limits, type TestRelease } from "./testing/in-memory-gateway.ts";
import { InMemoryOneTimeStore } from "./testing/one-time-store.ts";
import { type TestEffect, type TestFrame, wireFrames } from "./testing/seen.ts";
import { TestConnection } from "./testing/test-connection.ts";
import { type ConnectOptions, decideUpgrade, type Granted, partsOf } from "./testing/upgrade.ts";

export type { ConnectOptions, CrashPoint, TestConnection, TestEffect, TestFrame };

/** A worker's own limits, with their defaults, where a test does not set them. */
export type TestLimits = Partial<Limits>;

/** Starts a handler; resolves when its onStart has settled. @throws what onStart throws, and where it never settles. */
export async function testHandler<Params extends PathParams, State, StateInput, Incoming>(
  handler: Handler<Params, State, StateInput, Incoming>,
  limits: TestLimits = {},
): Promise<TestApp<State>> {
  const app = new TestApp<State>(handler, limits);
  await app.begin();
  return app;
}

export interface ReplaceOptions {
  /** Even if connections are closed for it. */
  readonly force?: boolean;
}

export class TestApp<State = unknown> {
  private readonly gateway: InMemoryGateway;
  private readonly limits: Limits;
  /** `app.oneTime`: what handlers give NATS to keep, tickets for one. */
  readonly oneTime = new InMemoryOneTimeStore(() => this.gateway.wallClock);
  /** Upgrades that have run, by their id. */
  private readonly upgrades = new Set<string>();
  private previous: TestRelease | undefined;
  private deploys = 0;
  private readonly background = new Background((release) => this.app(release));

  constructor(handler: Handler, limits: TestLimits) {
    this.limits = { ...defaultLimits(), ...limits };
    this.gateway = new InMemoryGateway({ name: "1", handler }, this.limits, (release) => this.app(release));
  }

  /** "1", and one more with each deploy: `turn.release`. */
  get release(): string {
    return this.gateway.active.name;
  }

  /**
   * Opens a connection; resolves when its onOpen has committed, or was rolled back.
   * @param url `/chat/blue?name=Ada`
   * @throws where onUpgrade refuses (use `refused` to look at its Response) or throws.
   */
  async connect(url: string, options: ConnectOptions = {}): Promise<TestConnection<State>> {
    const answer = await this.upgrade(url, options);
    if (answer instanceof Response) {
      throw new Error(`${url} was refused with ${answer.status} (${await answer.text()}): app.refused(url) gives the Response`);
    }
    const { connection, opened } = this.gateway.connect(answer.admission);
    await opened;
    return new TestConnection<State>(this.gateway, connection, answer.headers);
  }

  /** The Response that onUpgrade refuses a client with. @throws where it lets the client in. */
  async refused(url: string, options: ConnectOptions = {}): Promise<Response> {
    const answer = await this.upgrade(url, options);
    if (answer instanceof Response) return answer;
    throw new Error(`${url} was not refused: app.connect(url) opens it`);
  }

  /** Asks onRequest, plain HTTP: 400 where it lets an error of reading a body through. @param url `/chat/blue?name=Ada` */
  async request(url: string, { sessionMissing = false, ...init }: RequestInit & { sessionMissing?: boolean } = {}): Promise<Response> {
    const answer = await this.answer(url, init, sessionMissing);
    if (answer instanceof Response) return answer;
    throw new Error("onRequest has answered with a session: app.session(url) shows it");
  }

  /** What onRequest answers with instead of a Response: openSession and so on. The session itself is the gateway's, and is not opened here. */
  async session(url: string, { sessionMissing = false, ...init }: RequestInit & { sessionMissing?: boolean } = {}): Promise<SessionPlan> {
    const answer = await this.answer(url, init, sessionMissing);
    if (answer instanceof SessionAnswer) return answer.plan;
    throw new Error(`onRequest has answered with ${answer.status}: app.request(url) gives the Response`);
  }

  private async answer(url: string, init: RequestInit, sessionMissing: boolean): Promise<Response | SessionAnswer> {
    const { handler } = this.gateway.active;
    if (handler.onRequest === undefined) throw new Error("the handler has no onRequest, so its path does not answer plain HTTP");
    const { params } = partsOf(handler, url);
    const signal = new AbortController().signal;
    const app = this.app();
    const turn = { id: "test:http", redelivered: false, flushed: 0, release: this.release, app, signal };
    const request = new ClientRequest(new URL(url, "http://localhost"), init);
    try {
      return await handler.onRequest(request, { params, ip: "127.0.0.1", turn, app, sessionMissing });
    } catch (error) {
      const fault = request.clientFaultOf(error);
      if (!isClientFault(fault)) throw fault;
      const { text, ...head } = refusalOf(fault);
      return new Response(`${text}\n`, head);
    }
  }

  /** As another program, or app.publish: to all that subscribe to the topic. */
  publish(topic: string, data: Sendable): void {
    this.gateway.publish(topic, frameOf(data));
  }

  /**
   * Replaces the handler as a deploy does: turns that have begun finish under the old one, then the new one adopts the
   * connections (state migrated, onAdopt). Resolves when it has. Clients notice nothing. Before that the signals of the old
   * onStart and tasks abort, and when they have settled, the new ones run.
   * @throws where a connection would be closed: it is at a path that is not served any more, or its state neither fits nor migrates.
   *   With `force`, as of `npm run deploy-worker`, the latter is closed.
   * @throws what the new onStart throws: the old handler goes on then, its onStart started again.
   */
  async deploy<Params extends PathParams, NextState, StateInput, Incoming>(
    next: Handler<Params, NextState, StateInput, Incoming>,
    options: ReplaceOptions = {},
  ): Promise<void> {
    await this.activate({ name: String(this.deploys + 2), handler: next }, options);
    this.deploys++;
  }

  /**
   * Brings back what was there before the last deploy, as `npm run rollback-worker` does: each connection with its state as that
   * handler understands it, or else as that one had left it.
   * @throws where nothing was deployed; as `deploy`.
   */
  async rollback(options: ReplaceOptions = {}): Promise<void> {
    if (this.previous === undefined) throw new Error("nothing was deployed yet: app.deploy(handler) does");
    await this.activate(this.previous, options);
  }

  private async activate(next: TestRelease, { force = false }: ReplaceOptions): Promise<void> {
    const { path } = next.handler;
    const table = compileRoutes([next.handler]);
    const orphan = this.gateway.open.find(({ admission }) => matchRoute(table, admission.path) === undefined);
    if (orphan !== undefined) {
      throw new Error(`${path} does not serve ${orphan.admission.path}, which is open: a deploy without its route fails. Close it first`);
    }
    const unfit = force ? [] : this.gateway.faultsUnder(next);
    if (unfit.length > 0) {
      const text = `the states of ${unfit.length} of ${this.gateway.open.length} open connections do not fit: ${unfit[0]?.message}`;
      throw new Error(`${text}. A real deploy is refused, too; with { force: true } they are closed`, { cause: unfit[0] });
    }
    const before = this.gateway.active;
    if ([before, next].some(({ handler }) => handler.onStart ?? handler.tasks)) await this.background.startInstead(next, before);
    this.previous = before;
    this.gateway.handOver(next);
    await this.gateway.idle();
  }

  /** The worker dies (kill -9) the next time that a turn gets this far; another one takes over at once. */
  crashNext(point: CrashPoint): void {
    this.gateway.crashAt = point;
  }

  /** The worker dies now: turns that wait for something run again, with `turn.redelivered`. Resolves when they have committed. */
  async crash(): Promise<void> {
    this.gateway.crash();
    await this.gateway.idle();
  }

  /**
   * Everything ends at once, as in a power cut: what was open is gone, and no onClose runs. Then the handler's onGatewayLost does.
   * @throws what it throws; there it is run again.
   */
  async loseGateway(): Promise<void> {
    const gateway = this.gateway.lose();
    await this.background.stop();
    await this.begin();
    await this.gateway.active.handler.onGatewayLost?.(this.app(), { gateway, signal: new AbortController().signal });
  }

  /** Starts what runs beside turns. @throws what onStart throws, and where it does not settle. */
  begin(): Promise<void> {
    return this.background.start(this.gateway.active);
  }

  /** Moves the clock: turns that have taken too long are cut off, connections expire, their timers come due, and heartbeats are
   * sent and missed. Nothing sleeps. */
  advance(ms: number): void {
    this.gateway.advance(ms);
  }

  private upgrade(url: string, options: ConnectOptions): Promise<Response | Granted> {
    const { id } = options;
    const isRedelivered = id !== undefined && this.upgrades.has(id);
    if (id !== undefined) this.upgrades.add(id);
    const { stateBytes } = this.limits;
    return decideUpgrade(this.gateway.active.handler, { url, options, app: this.app(), stateBytes, isRedelivered });
  }

  private openOf(wanted: string): readonly HeldConnection[] {
    checkUser(wanted);
    return this.gateway.open.filter(({ user }) => user === wanted);
  }

  private app(release = this.release): App {
    return {
      release,
      workerId: "test",
      messageBytes: this.limits.messageBytes,
      oneTime: this.oneTime,
      publish: async (topic, data, options) => this.gateway.publish(topic, frameOf(data), options),
      history: async (topic, { last }) => this.gateway.history.seen(topic, last),
      send: async (id, data) => {
        const connection = this.gateway.open.find((open) => open.id === id);
        connection?.frames.push(...wireFrames(frameOf(data)));
        return connection !== undefined;
      },
      close: async (id, code = 1000, reason = "") => {
        const connection = this.gateway.open.find((open) => open.id === id);
        if (connection !== undefined) this.gateway.end(connection, code, reason);
        return connection !== undefined;
      },
      closeUser: async (user, code = 1000, reason = "") => {
        const met = this.openOf(user);
        for (const connection of met) this.gateway.end(connection, code, reason);
        return met.length;
      },
      sendToUser: async (user, data) => {
        const met = this.openOf(user);
        for (const connection of met) connection.frames.push(...wireFrames(frameOf(data)));
        return met.length;
      },
      connections: async (filter) => {
        const met = filter === undefined ? this.gateway.open : this.openOf(filter.user);
        return met.map(({ id, gateway: name, user, admission: { path } }) => ({ id, gateway: name, path, user }));
      },
      members: async <Info>(topic: string, filter?: MembersFilter) =>
        listed(
          this.gateway.open.flatMap((open) => open.memberOf(topic) ?? []),
          filter,
        ) as Member<Info>[],
    };
  }
}

function defaultLimits(): Limits {
  const config = parseWorkerConfig({ NATS_URL: "none" });
  return {
    effectsBytes: config.EFFECTS_BYTES,
    stateBytes: config.STATE_BYTES,
    topicsPerConnection: config.TOPICS_PER_CONNECTION,
    timersPerConnection: config.TIMERS_PER_CONNECTION,
    messageBytes: config.MESSAGE_BYTES,
    turnTimeoutMs: config.TURN_TIMEOUT_MS,
    expireGraceMs: usualExpireGraceMs,
  };
}

// app.*: what handlers do outside of turns. At most once: what a gateway has not confirmed in time, or was asked of a
// gateway that has gone, rejects, and may have happened.

import { gatewayOf } from "../protocol/connection-id.ts";
import { CodedError } from "../protocol/errors.ts";
import { needLevel } from "../protocol/level.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import { packValue } from "../protocol/msgpack.ts";
import type { OneTimeStore } from "../protocol/one-time-store.ts";
import { type CommandBody, flag, type ResultBody, toGateway } from "../protocol/records.ts";
import { checkTopic } from "../protocol/subjects.ts";
import { checkExcept, type Frame, frameOf } from "./effects.ts";
import type { Gateways } from "./gateways.ts";
import type { App, Member, MembersFilter, OpenConnection, PublishOptions, Sendable } from "./handler.ts";
import { checkUser } from "./identity.ts";
import { listed, membersOf } from "./members.ts";
import { checkClose } from "./turn-connection.ts";

/** What gateways of a lower level would never answer, or misunderstand. See protocol/level.ts. */
function levelOf(body: CommandBody): number {
  return ["sendToUser", "userConnections", "members"].includes(body.kind) ? 1 : 0;
}

interface Waiting {
  readonly peer: string;
  readonly timer: NodeJS.Timeout;
  resolve(result: ResultBody): void;
  reject(error: Error): void;
}

export interface AppClientOptions {
  readonly release: string;
  readonly workerId: string;
  readonly timeoutMs: number;
  /** What one operation may have, encoded. */
  readonly limitBytes: number;
  readonly gateways: Pick<Gateways, "ids" | "get" | "lowestLevel">;
  readonly hub: LinkHub;
  readonly oneTime: OneTimeStore;
}

export class AppClient implements App {
  readonly release: string;
  readonly workerId: string;
  readonly oneTime: OneTimeStore;
  private readonly options: AppClientOptions;
  private readonly waiting = new Map<number, Waiting>();
  private readonly unanswered = new Set<Promise<ResultBody>>();
  private last = 0;
  /** Those who wait for a gateway. */
  private readonly hoping: Array<() => void> = [];

  constructor(options: AppClientOptions) {
    this.options = options;
    this.release = options.release;
    this.workerId = options.workerId;
    this.oneTime = options.oneTime;
  }

  async publish(topic: string, data: Sendable, { except }: Pick<PublishOptions, "except"> = {}): Promise<void> {
    checkTopic(topic);
    // Any gateway will do: it passes on to the others. One that died without a word is not the one that was heard last.
    const [peer] = this.options.gateways.ids;
    await this.command(peer, { kind: "publish", topic, ...bytesOf(frameOf(data)), ...exceptOf(except) });
  }

  /** Publishes what is already encoded, and waits for a gateway where there is none now. */
  async passOn(topic: string, data: Uint8Array, binary: boolean, except: readonly string[]): Promise<void> {
    await this.command(await this.anyGateway(), { kind: "publish", topic, data, binary, ...exceptOf(except) });
  }

  async send(connectionId: string, data: Sendable): Promise<boolean> {
    const peer = gatewayOf(connectionId);
    if (this.options.hub.get(peer) === undefined) return false;
    return (await this.count(peer, { kind: "send", connection: connectionId, ...bytesOf(frameOf(data)) })) > 0;
  }

  async sendToUser(user: string, data: Sendable): Promise<number> {
    return this.countAll({ kind: "sendToUser", user: checkUser(user), ...bytesOf(frameOf(data)) });
  }

  async close(connectionId: string, code = 1000, reason = ""): Promise<boolean> {
    checkClose(code, reason);
    const peer = gatewayOf(connectionId);
    if (this.options.hub.get(peer) === undefined) return false;
    return (await this.count(peer, { kind: "close", connection: connectionId, code, reason })) > 0;
  }

  async closeUser(user: string, code = 1000, reason = ""): Promise<number> {
    checkClose(code, reason);
    return this.countAll({ kind: "closeUser", user: checkUser(user), code, reason });
  }

  async connections(filter?: { readonly user: string }): Promise<OpenConnection[]> {
    const gateways = this.options.gateways.ids;
    if (gateways.length === 0) throw noGateway();
    const user = filter === undefined ? undefined : checkUser(filter.user);
    return (await Promise.all(gateways.map((peer) => this.openAt(peer, user)))).flat();
  }

  private async openAt(peer: string, only: string | undefined): Promise<OpenConnection[]> {
    const all: OpenConnection[] = [];
    for (let from: number | undefined = 0; from !== undefined; ) {
      const body: CommandBody = only === undefined ? { kind: "connections", from } : { kind: "userConnections", user: only, from };
      const result: ResultBody = await this.command(peer, body);
      if (typeof result === "number" || !("open" in result)) throw new CodedError("envelope.malformed", "a count instead of connections");
      for (const { id, path, user } of result.open) all.push({ id, gateway: peer, path, user });
      from = result.next;
    }
    return all;
  }

  async members<Info>(topic: string, filter?: MembersFilter): Promise<Member<Info>[]> {
    checkTopic(topic);
    const gateways = this.options.gateways.ids;
    if (gateways.length === 0) throw noGateway();
    return listed((await Promise.all(gateways.map((peer) => this.membersAt(peer, topic)))).flat(), filter) as Member<Info>[];
  }

  private async membersAt(peer: string, topic: string): Promise<Member[]> {
    // By id: one that leaves and comes back between two answers is in both, and what the last one tells holds.
    const all = new Map<string, Member>();
    try {
      for (let after: number | undefined = 0; after !== undefined; ) {
        const result: ResultBody = await this.command(peer, { kind: "members", topic, after });
        if (typeof result === "number" || !("infos" in result)) throw new CodedError("envelope.malformed", "no list of members");
        for (const member of membersOf(peer, result)) all.set(member.id, member);
        after = result.next;
      }
      return [...all.values()];
    } catch (error) {
      // It has gone, and its members with it.
      if (this.options.gateways.get(peer) === undefined) return [];
      throw error;
    }
  }

  /** There is a gateway. */
  gained(): void {
    for (const resolve of this.hoping.splice(0)) resolve();
  }

  /** A gateway has done what operation `number` asked for. */
  result(peer: string, number: number, result: ResultBody): void {
    const waiting = this.waiting.get(number);
    if (waiting === undefined || waiting.peer !== peer) return;
    this.waiting.delete(number);
    clearTimeout(waiting.timer);
    waiting.resolve(result);
  }

  /** Resolves when what was asked for until now is answered, or will not be. */
  confirmed(): Promise<unknown> {
    return Promise.allSettled(this.unanswered);
  }

  /** A gateway has gone. */
  lost(peer: string): void {
    for (const [number, waiting] of this.waiting) {
      if (waiting.peer !== peer) continue;
      this.waiting.delete(number);
      clearTimeout(waiting.timer);
      waiting.reject(new CodedError("app.noGateway", "the gateway that was asked has gone"));
    }
  }

  private async anyGateway(): Promise<string> {
    for (;;) {
      const [peer] = this.options.gateways.ids;
      if (peer !== undefined) return peer;
      await new Promise<void>((resolve) => this.hoping.push(resolve));
    }
  }

  /** How many connections it met on all gateways. */
  private async countAll(body: CommandBody): Promise<number> {
    const counts = await Promise.all(this.options.gateways.ids.map((peer) => this.count(peer, body)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** How many connections it met. */
  private async count(peer: string, body: CommandBody): Promise<number> {
    const result = await this.command(peer, body);
    return typeof result === "number" ? result : 0;
  }

  private outdatedFor(peer: string, body: CommandBody): unknown {
    const { gateways } = this.options;
    const level = gateways.get(peer)?.level;
    try {
      // It passes it on to the others.
      if (body.kind === "publish" && body.except !== undefined) needLevel(gateways.lowestLevel, 1, "publish with except");
      if (level !== undefined) needLevel(level, levelOf(body), `app.${body.kind}`);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  private command(peer: string | undefined, body: CommandBody): Promise<ResultBody> {
    const link = peer === undefined ? undefined : this.options.hub.get(peer);
    if (peer === undefined || link === undefined) return Promise.reject(noGateway());
    const outdated = this.outdatedFor(peer, body);
    if (outdated !== undefined) return Promise.reject(outdated);
    const bytes = packValue(body);
    const { limitBytes } = this.options;
    // NATS would take it for a fault of ours, and what is behind it on the link would wait for ever.
    if (bytes.length > limitBytes) {
      const text = `app.${body.kind} was given ${bytes.length} bytes, at most ${limitBytes} are allowed (NATS' max_payload)`;
      return Promise.reject(new CodedError("effects.tooLarge", text));
    }
    this.last = (this.last + 1) >>> 0;
    const number = this.last;
    const answer = new Promise<ResultBody>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(number);
        reject(new CodedError("app.noGateway", `no answer within ${this.options.timeoutMs} ms (APP_TIMEOUT_MS)`));
      }, this.options.timeoutMs);
      this.waiting.set(number, { peer, timer, resolve, reject });
      link.append({ type: toGateway.command, flags: 0, extra: 0, slot: number, epoch: 0 }, bytes);
    });
    this.unanswered.add(answer);
    const forget = () => this.unanswered.delete(answer);
    answer.then(forget, forget);
    return answer;
  }
}

function exceptOf(except: readonly string[] = []): { except?: string[] } {
  return except.length === 0 ? {} : { except: [...checkExcept(except)] };
}

function noGateway(): CodedError {
  return new CodedError("app.noGateway", "there is no gateway");
}

function bytesOf({ payload, flags }: Frame): { data: Uint8Array; binary: boolean } {
  return { data: typeof payload === "string" ? Buffer.from(payload) : payload, binary: (flags & flag.binary) !== 0 };
}

// app.*: what handlers do outside of turns. At most once: see gateway-commands.ts.

import { checkClose } from "../protocol/close-code.ts";
import type { CommandBody, FenceBody, ResultBody } from "../protocol/commands.ts";
import { gatewayOf } from "../protocol/connection-id.ts";
import { CodedError, isCodedError } from "../protocol/errors.ts";
import { checkLast, checkRetention } from "../protocol/history.ts";
import type { OneTimeStore } from "../protocol/one-time-store.ts";
import { flag } from "../protocol/records.ts";
import { checkTopic } from "../protocol/subjects.ts";
import { checkUser } from "../protocol/user.ts";
import { bytesOf, checkSingle, type Frame, frameOf } from "./effects.ts";
import type { GatewayCommands } from "./gateway-commands.ts";
import type { App, HistoryEntry, Member, MembersFilter, OpenConnection, PublishOptions, Sendable } from "./handler.ts";
import { type EncodedPublish, historyOf, publishBody, succeeded } from "./history.ts";
import { listed, membersOf } from "./members.ts";
import type { TaskPass } from "./tasks.ts";

export interface AppClientOptions {
  readonly release: string;
  readonly workerId: string;
  readonly commands: GatewayCommands;
  readonly oneTime: OneTimeStore;
  /** Read each time: they may change. */
  readonly limits: { readonly messageBytes: number };
  /** Of the task whose app this is. */
  readonly pass?: TaskPass;
}

export class AppClient implements App {
  readonly release: string;
  readonly workerId: string;
  readonly oneTime: OneTimeStore;
  private readonly commands: GatewayCommands;
  private readonly limits: AppClientOptions["limits"];
  private readonly pass: TaskPass | undefined;

  constructor(options: AppClientOptions) {
    this.release = options.release;
    this.workerId = options.workerId;
    this.oneTime = options.oneTime;
    this.commands = options.commands;
    this.limits = options.limits;
    this.pass = options.pass;
  }

  get messageBytes(): number {
    return this.limits.messageBytes;
  }

  async publish(topic: string, data: Sendable, { except = [], keep }: Pick<PublishOptions, "except" | "keep"> = {}): Promise<void> {
    checkTopic(topic);
    const frame = frameOf(data);
    const retention = keep === undefined ? undefined : checkRetention(keep);
    if (retention !== undefined) checkSingle(frame);
    // Any gateway will do: it passes on to the others. One that died without a word is not the one that was heard last.
    const [peer] = this.commands.gateways;
    succeeded(await this.ask(peer, publishBody({ topic, ...encoded(frame), except, retention })));
  }

  /** Publishes what is already encoded, and waits for a gateway where there is none now. */
  async passOn(publish: EncodedPublish): Promise<void> {
    succeeded(await this.ask(await this.commands.anyGateway(), publishBody(publish)));
  }

  async history(topic: string, { last }: { readonly last: number }): Promise<HistoryEntry[]> {
    checkTopic(topic);
    const body: CommandBody = { kind: "history", topic, last: checkLast(last) };
    // Any gateway will do, and the one that was heard last may have died since.
    const [peer, other] = this.commands.gateways;
    const answer = this.ask(peer, body).catch((error: unknown) => {
      if (other === undefined || !isCodedError(error, "app.noGateway")) throw error;
      return this.ask(other, body);
    });
    return historyOf(await answer);
  }

  async send(connectionId: string, data: Sendable): Promise<boolean> {
    const peer = gatewayOf(connectionId);
    if (!this.commands.reaches(peer)) return false;
    return (await this.count(peer, { kind: "send", connection: connectionId, ...encoded(frameOf(data)) })) > 0;
  }

  async sendToUser(user: string, data: Sendable): Promise<number> {
    return this.countAll({ kind: "sendToUser", user: checkUser(user), ...encoded(frameOf(data)) });
  }

  async close(connectionId: string, code = 1000, reason = ""): Promise<boolean> {
    checkClose(code, reason);
    const peer = gatewayOf(connectionId);
    if (!this.commands.reaches(peer)) return false;
    return (await this.count(peer, { kind: "close", connection: connectionId, code, reason })) > 0;
  }

  async closeUser(user: string, code = 1000, reason = ""): Promise<number> {
    checkClose(code, reason);
    return this.countAll({ kind: "closeUser", user: checkUser(user), code, reason });
  }

  async connections(filter?: { readonly user: string }): Promise<OpenConnection[]> {
    const user = filter === undefined ? undefined : checkUser(filter.user);
    return (await this.commands.runEverywhere((peer) => this.openAt(peer, user))).flat();
  }

  private async openAt(peer: string, only: string | undefined): Promise<OpenConnection[]> {
    const all: OpenConnection[] = [];
    for (let from: number | undefined = 0; from !== undefined; ) {
      const body: CommandBody = only === undefined ? { kind: "connections", from } : { kind: "userConnections", user: only, from };
      const result: ResultBody = await this.ask(peer, body);
      if (typeof result === "number" || !("open" in result)) throw new CodedError("envelope.malformed", "a count instead of connections");
      for (const { id, path, user } of result.open) all.push({ id, gateway: peer, path, user });
      from = result.next;
    }
    return all;
  }

  async members<Info>(topic: string, filter?: MembersFilter): Promise<Member<Info>[]> {
    checkTopic(topic);
    return listed((await this.commands.runEverywhere((peer) => this.membersAt(peer, topic))).flat(), filter) as Member<Info>[];
  }

  private async membersAt(peer: string, topic: string): Promise<Member[]> {
    // By id: one that leaves and comes back between two answers is in both, and what the last one tells holds.
    const all = new Map<string, Member>();
    for (let after: number | undefined = 0; after !== undefined; ) {
      const result: ResultBody = await this.ask(peer, { kind: "members", topic, after });
      if (typeof result === "number" || !("info" in result)) throw new CodedError("envelope.malformed", "no list of members");
      for (const member of membersOf(peer, result)) all.set(member.id, member);
      after = result.next;
    }
    return [...all.values()];
  }

  /** @throws {CodedError} "task.over" where this is a task's, and another worker may have that now. */
  private async ask(peer: string | undefined, body: CommandBody): Promise<ResultBody> {
    const { pass, commands } = this;
    const result = await commands.run(peer, this.fenced(body));
    if (pass !== undefined && typeof result === "object" && "refused" in result) throw pass.over();
    return result;
  }

  /** @throws as `ask`. */
  private fenced(body: CommandBody): CommandBody {
    const { pass } = this;
    pass?.check();
    return pass !== undefined && isChange(body) ? { ...body, fence: pass.fence } : body;
  }

  /** How many connections it met, on all gateways that are heard. */
  private async countAll(body: CommandBody): Promise<number> {
    if (this.commands.gateways.length === 0) return 0;
    this.commands.tellSilent(this.fenced(body));
    const counts = await this.commands.runEverywhere((peer) => this.count(peer, body));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** How many connections it met. */
  private async count(peer: string, body: CommandBody): Promise<number> {
    const result = await this.ask(peer, body);
    return typeof result === "number" ? result : 0;
  }
}

function isChange(body: CommandBody): body is Extract<CommandBody, { fence?: FenceBody }> {
  return ["publish", "send", "sendToUser", "close", "closeUser"].includes(body.kind);
}

function encoded(frame: Frame): { data: Uint8Array; binary: boolean; together?: true } {
  return { data: bytesOf(frame), binary: (frame.flags & flag.binary) !== 0, ...(frame.isTogether && { together: true }) };
}

// What a worker asks of its gateways outside of turns: each operation has a number and gets one answer. At most once: what a gateway has
// not confirmed in time, or was asked of a gateway that has gone, rejects, and may have happened. For what all gateways are asked, nobody
// waits for one that is silent.

import type { CommandBody, ResultBody } from "../protocol/commands.ts";
import { gatewayOf } from "../protocol/connection-id.ts";
import type { RecordHead } from "../protocol/envelope.ts";
import { CodedError } from "../protocol/errors.ts";
import { needLevel } from "../protocol/level.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import { packValue } from "../protocol/msgpack.ts";
import { toGateway } from "../protocol/records.ts";
import type { Gateways } from "./gateways.ts";
import { succeeded } from "./history.ts";

/** What gateways of a lower level would never answer, or misunderstand. See protocol/level.ts. */
function levelOf(body: CommandBody): number {
  if ("fence" in body && body.fence !== undefined) return 1;
  if ("together" in body && body.together === true) return 1;
  return ["sendToUser", "userConnections", "members", "history", "lock"].includes(body.kind) ? 1 : 0;
}

/** What is asked of all gateways: a silent one is left out. */
const forAll: readonly string[] = ["sendToUser", "closeUser", "connections", "userConnections", "members"];

interface Waiting {
  readonly peer: string;
  readonly isForAll: boolean;
  readonly timer: NodeJS.Timeout;
  resolve(result: ResultBody): void;
  reject(error: Error): void;
}

/** The gateway has gone, or is silent. */
class GatewayAway extends CodedError {}

export interface GatewayCommandsOptions {
  readonly timeoutMs: number;
  /** What one operation may have, encoded. */
  readonly limitBytes: number;
  readonly gateways: Pick<Gateways, "ids" | "get" | "minLevel">;
  readonly hub: Pick<LinkHub, "get">;
}

export class GatewayCommands {
  private readonly options: GatewayCommandsOptions;
  private readonly waiting = new Map<number, Waiting>();
  private readonly unanswered = new Set<Promise<ResultBody>>();
  private last = 0;
  /** Those who wait for a gateway. */
  private readonly hoping: Array<() => void> = [];

  constructor(options: GatewayCommandsOptions) {
    this.options = options;
  }

  /** The gateways that there are, the one that was heard last first, silent ones last. */
  get gateways(): readonly string[] {
    return this.options.gateways.ids;
  }

  /** Whether there is a link to it. */
  reaches(peer: string): boolean {
    return this.options.hub.get(peer) !== undefined;
  }

  /**
   * @param peer undefined: there is none. @param longerMs it may take so much longer than others. @returns what it answers.
   * @throws {CodedError} "app.noGateway", "effects.tooLarge", "gateway.outdated"
   */
  run(peer: string | undefined, body: CommandBody, longerMs = 0): Promise<ResultBody> {
    const link = peer === undefined ? undefined : this.options.hub.get(peer);
    if (peer === undefined || link === undefined) return Promise.reject(away("there is no gateway"));
    const isForAll = forAll.includes(body.kind);
    if (isForAll && this.isSilent(peer)) return Promise.reject(away("the gateway is silent"));
    const bytes = packValue(body);
    const refused = this.refusalOf(peer, body, bytes);
    if (refused !== undefined) return Promise.reject(refused);
    const timeoutMs = this.options.timeoutMs + longerMs;
    const head = this.nextHead();
    const answer = new Promise<ResultBody>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(head.slot);
        reject(new CodedError("app.noGateway", `no answer within ${timeoutMs} ms (APP_TIMEOUT_MS)`));
      }, timeoutMs);
      this.waiting.set(head.slot, { peer, isForAll, timer, resolve, reject });
      link.append(head, bytes);
    });
    this.unanswered.add(answer);
    const forget = () => this.unanswered.delete(answer);
    answer.then(forget, forget);
    return answer;
  }

  /** @returns the fence; undefined: others have it. @throws as `run`, and what the gateway says has failed. */
  async lock(connection: string, name: string, waitMs: number): Promise<number | undefined> {
    const result = succeeded(await this.run(gatewayOf(connection), { kind: "lock", connection, name, waitMs }, waitMs));
    return typeof result === "number" && result > 0 ? result : undefined;
  }

  /**
   * What all gateways are asked.
   * @param ask Asks one, with `run`.
   * @returns what they answer, without those that have gone, or are silent.
   * @throws {CodedError} what `ask` throws of another; "app.noGateway" where none is left.
   */
  async runEverywhere<Answer>(ask: (peer: string) => Promise<Answer>): Promise<Answer[]> {
    const asked = await Promise.allSettled(this.gateways.map(ask));
    const heard = asked.filter((outcome) => outcome.status === "fulfilled" || !(outcome.reason instanceof GatewayAway));
    if (heard.length === 0) throw away("no gateway is heard");
    return heard.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
  }

  /** Tells it those that are silent, in case they come back: as much as their links have credit for. Nobody hears whether they do it. */
  tellSilent(body: CommandBody): void {
    const bytes = packValue(body);
    for (const peer of this.gateways.filter((id) => this.isSilent(id))) {
      const link = this.options.hub.get(peer);
      if (link?.hasCredit && this.refusalOf(peer, body, bytes) === undefined) link.append(this.nextHead(), bytes);
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
    this.giveUp((waiting) => waiting.peer === peer, "the gateway that was asked has gone");
  }

  /** A gateway is silent. What it alone can do goes on waiting for it. */
  fellSilent(peer: string): void {
    this.giveUp((waiting) => waiting.peer === peer && waiting.isForAll, "the gateway that was asked is silent");
  }

  /** Waits for one where there is none. */
  async anyGateway(): Promise<string> {
    for (;;) {
      const [peer] = this.options.gateways.ids;
      if (peer !== undefined) return peer;
      await new Promise<void>((resolve) => this.hoping.push(resolve));
    }
  }

  private giveUp(isMeant: (waiting: Waiting) => boolean, why: string): void {
    for (const [number, waiting] of this.waiting) {
      if (!isMeant(waiting)) continue;
      this.waiting.delete(number);
      clearTimeout(waiting.timer);
      waiting.reject(away(why));
    }
  }

  private isSilent(peer: string): boolean {
    return this.options.gateways.get(peer)?.isSilent === true;
  }

  private refusalOf(peer: string, body: CommandBody, { length }: Uint8Array): unknown {
    const { gateways, limitBytes } = this.options;
    const level = gateways.get(peer)?.level;
    try {
      // It passes it on to the others.
      if (body.kind === "publish" && body.except !== undefined) needLevel(gateways.minLevel, 1, "publish with except");
      if (body.kind === "publish" && body.keep !== undefined) needLevel(gateways.minLevel, 1, "publish with keep");
      if (body.kind === "publish" && body.together === true) needLevel(gateways.minLevel, 1, "publish of frames together");
      if (level !== undefined) needLevel(level, levelOf(body), `app.${body.kind}`);
    } catch (error) {
      return error;
    }
    // NATS would take it for a fault of ours, and what is behind it on the link would wait for ever.
    if (length <= limitBytes) return undefined;
    const text = `app.${body.kind} was given ${length} bytes, at most ${limitBytes} are allowed (NATS' max_payload)`;
    return new CodedError("effects.tooLarge", text);
  }

  private nextHead(): RecordHead {
    this.last = (this.last + 1) >>> 0;
    return { type: toGateway.command, flags: 0, extra: 0, slot: this.last, epoch: 0 };
  }
}

function away(why: string): GatewayAway {
  return new GatewayAway("app.noGateway", why);
}

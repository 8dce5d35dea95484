// What a worker asks of its gateways outside of turns: each operation has a number and gets one answer. At most once: what a gateway has
// not confirmed in time, or was asked of a gateway that has gone, rejects, and may have happened.

import type { CommandBody, ResultBody } from "../protocol/commands.ts";
import { CodedError } from "../protocol/errors.ts";
import { needLevel } from "../protocol/level.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import { packValue } from "../protocol/msgpack.ts";
import { toGateway } from "../protocol/records.ts";
import type { Gateways } from "./gateways.ts";

/** What gateways of a lower level would never answer, or misunderstand. See protocol/level.ts. */
function levelOf(body: CommandBody): number {
  if ("fence" in body && body.fence !== undefined) return 1;
  return ["sendToUser", "userConnections", "members"].includes(body.kind) ? 1 : 0;
}

interface Waiting {
  readonly peer: string;
  readonly timer: NodeJS.Timeout;
  resolve(result: ResultBody): void;
  reject(error: Error): void;
}

export interface GatewayCommandsOptions {
  readonly timeoutMs: number;
  /** What one operation may have, encoded. */
  readonly limitBytes: number;
  readonly gateways: Pick<Gateways, "ids" | "get" | "lowestLevel">;
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

  /** The gateways that there are, the one that was heard last first. */
  get gateways(): readonly string[] {
    return this.options.gateways.ids;
  }

  /** Whether there is a link to it. */
  reaches(peer: string): boolean {
    return this.options.hub.get(peer) !== undefined;
  }

  /**
   * @param peer undefined: there is none. @returns what it answers.
   * @throws {CodedError} "app.noGateway", "effects.tooLarge", "gateway.outdated"
   */
  run(peer: string | undefined, body: CommandBody): Promise<ResultBody> {
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

  /** Waits for one where there is none. */
  async anyGateway(): Promise<string> {
    for (;;) {
      const [peer] = this.options.gateways.ids;
      if (peer !== undefined) return peer;
      await new Promise<void>((resolve) => this.hoping.push(resolve));
    }
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
}

export function noGateway(): CodedError {
  return new CodedError("app.noGateway", "there is no gateway");
}

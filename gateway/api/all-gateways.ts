// What a call asks of all gateways, this one included, and what it answers when others ask. A call is done once it is done at each that may
// have clients. Where one of them does not say so in time, the call fails, and whether that one has done it is unknown: so each remembers
// the calls that have an Idempotency-Key, and a call that is sent again is done only where it was not.

import type { Bus, BusSubscription } from "../../protocol/bus.ts";
import type { ResultBody } from "../../protocol/commands.ts";
import {
  encodeAnswer,
  type GatewayAnswer,
  type GatewayCommand,
  type GatewayQuestion,
  type Once,
  parseAnswer,
  parseQuestion,
} from "../../protocol/gateway-questions.ts";
import type { Subjects } from "../../protocol/subjects.ts";
import type { PeerGateways } from "../peer-gateways.ts";
import { type PeerAnswers, PeerQuestions } from "../peer-questions.ts";
import { ApiError } from "./api-error.ts";
import type { IdempotentAnswers } from "./idempotent-answers.ts";

/** Of gateways that can be asked: see protocol/level.ts. */
const askedLevel = 1;

export interface AllGatewaysOptions {
  readonly self: string;
  readonly bus: Pick<Bus, "publish" | "subscribe">;
  readonly subjects: Pick<Subjects, "asked" | "answered">;
  readonly peers: Pick<PeerGateways, "all" | "areKnown" | "onGone">;
  readonly answers: IdempotentAnswers;
  /** Does it here. */
  readonly run: (command: GatewayCommand, answer: (result: ResultBody) => void) => void;
  readonly now: () => number;
  readonly limits: AllGatewaysLimits;
  /** A question has met a bug. It is not answered, and no other notices. */
  readonly onBug: (error: unknown) => void;
}

/** Read each time. */
export interface AllGatewaysLimits {
  /** How long an answer may take. */
  readonly timeoutMs: number;
  /** Calls that may wait for other gateways. */
  readonly waiting: number;
}

export class AllGateways {
  private readonly options: AllGatewaysOptions;
  private readonly questions: PeerQuestions;
  private subscriptions: BusSubscription[] = [];
  /** Calls that came before the other gateways were known. */
  private readonly early: Array<() => void> = [];

  constructor(options: AllGatewaysOptions) {
    this.options = options;
    const { self, bus, subjects, peers, now, limits } = options;
    this.questions = new PeerQuestions({ self, bus, subjects, now, timeoutMs: () => limits.timeoutMs });
    peers.onGone((gateway) => this.questions.gone(gateway));
  }

  /** By id, this one included. Rejects with "api.busy" or "gateway.outdated". */
  async ids(): Promise<string[]> {
    return [this.options.self, ...(await this.askedPeers())].sort();
  }

  begin(): void {
    const { self, bus, subjects, onBug } = this.options;
    this.subscriptions = [
      bus.subscribe(subjects.asked(self), ({ payload }) => void this.answer(parseQuestion(payload)).catch(onBug)),
      bus.subscribe(subjects.answered(self), ({ payload }) => this.questions.answered(parseAnswer(payload))),
    ];
  }

  /** Answers nobody any more. */
  end(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  /** To be called several times a second. */
  sweep(): void {
    if (this.options.peers.areKnown) for (const resolve of this.early.splice(0)) resolve();
    this.questions.sweep();
  }

  /**
   * How many connections it met on all gateways. Rejects with "api.busy", "gateway.outdated" or "api.idempotency" before anything is done; with
   * "api.unanswered", or with "api.idempotency" of another gateway, where some have done it.
   */
  async count(command: GatewayCommand, once: Once | undefined): Promise<number> {
    const results = await this.each(command, once, once === undefined ? retry : retryOnce);
    return [...results.values()].reduce<number>((sum, result) => sum + (typeof result === "number" ? result : 0), 0);
  }

  /** What each says of something that it may be asked as often as one likes, by its id. Rejects as `at` does. */
  ask(command: GatewayCommand): Promise<ReadonlyMap<string, ResultBody>> {
    return this.each(command, undefined, "try again");
  }

  /** Asks this gateway, or another one. @returns undefined where it has gone. Rejects with "api.unanswered", "api.busy" or "gateway.outdated". */
  async at(gateway: string, command: GatewayCommand): Promise<ResultBody | undefined> {
    const peers = await this.askedPeers();
    if (gateway === this.options.self) return this.runHere(command, undefined);
    if (!peers.includes(gateway)) return undefined;
    return resultsOf(await this.questions.ask([gateway], command), "which has some of them: try again").get(gateway);
  }

  /** @param text See resultsOf. */
  private async each(command: GatewayCommand, once: Once | undefined, text: string): Promise<ReadonlyMap<string, ResultBody>> {
    const peers = await this.askedPeers();
    const [here, told] = await Promise.all([this.runHere(command, once), this.questions.ask(peers, command, once)]);
    return new Map([[this.options.self, here], ...resultsOf(told, text)]);
  }

  /** Where not all can be asked, none is. Shortly after this gateway has begun, it waits until it knows them. */
  private async askedPeers(): Promise<string[]> {
    const { peers, limits } = this.options;
    if (this.questions.size + this.early.length >= limits.waiting) {
      throw new ApiError("api.busy", `${limits.waiting} calls wait for other gateways (API_WAITING): nothing was done, try again`);
    }
    if (!peers.areKnown) await new Promise<void>((resolve) => this.early.push(resolve));
    const all = peers.all;
    const outdated = all.find(({ level }) => level < askedLevel);
    if (outdated === undefined) return all.map(({ id }) => id);
    throw new ApiError("gateway.outdated", `gateway ${outdated.id} is of a version that cannot be asked: nothing was done, restart it`);
  }

  /** @throws {ApiError} "api.idempotency" */
  private runHere(command: GatewayCommand, once: Once | undefined): Promise<ResultBody> {
    const { answers, run } = this.options;
    const begin = () => new Promise<ResultBody>((resolve) => run(command, resolve));
    return once === undefined ? begin() : answers.answer(once, begin);
  }

  private async answer({ from, number, command, once }: GatewayQuestion): Promise<void> {
    const { self, bus, subjects } = this.options;
    const result = await this.resultFor(command, once);
    bus.publish(subjects.answered(from), encodeAnswer({ from: self, number, result }));
  }

  private async resultFor(command: GatewayCommand, once: Once | undefined): Promise<GatewayAnswer["result"]> {
    try {
      return await this.runHere(command, once);
    } catch (error) {
      if (error instanceof ApiError) return "taken";
      throw error;
    }
  }
}

const retryOnce = "which may have done it, or not: send it again with the same Idempotency-Key";
const retry = "which may have done it, or not: with an Idempotency-Key, it could be sent again and not be done twice";

/** @param text What to do where one has not answered. @throws {ApiError} "api.unanswered", "api.idempotency" */
function resultsOf({ results, unanswered }: PeerAnswers, text: string): Map<string, ResultBody> {
  if (unanswered.length > 0) {
    throw new ApiError("api.unanswered", `no answer in time (API_TIMEOUT_MS) from gateway ${unanswered.join(", ")}, ${text}`);
  }
  const done = [...results].map(([gateway, result]): [string, ResultBody] => {
    if (result !== "taken") return [gateway, result];
    const taken = `gateway ${gateway} has had another call with this Idempotency-Key; others may have done this one`;
    throw new ApiError("api.idempotency", taken);
  });
  return new Map(done);
}

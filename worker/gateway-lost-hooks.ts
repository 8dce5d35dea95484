// Runs the handlers' onGatewayLost, where a gateway asks for it.

import type { Logger } from "pino";
import { CodedError } from "../protocol/errors.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import { packValue } from "../protocol/msgpack.ts";
import { toGateway } from "../protocol/records.ts";
import type { App } from "./handler.ts";
import type { LoadedHandler } from "./loader.ts";
import { afterRunning } from "./running-time.ts";

export interface GatewayLostHooksOptions {
  readonly handlers: readonly LoadedHandler[];
  readonly app: App;
  readonly hub: Pick<LinkHub, "get">;
  readonly limits: { readonly turnTimeoutMs: number };
  readonly log: Logger;
}

export class GatewayLostHooks {
  private readonly options: GatewayLostHooksOptions;
  /** Those that have begun and not settled in time yet. */
  running = 0;
  /** Of all that have run: those that threw, or took too long. */
  failed = 0;
  /** By gateway that asks, and number of its question. */
  private readonly asked = new Map<string, AbortController>();

  constructor(options: GatewayLostHooksOptions) {
    this.options = options;
  }

  /** @param lost the gateway that has crashed. */
  async answer(gateway: string, number: number, lost: string): Promise<void> {
    const key = `${gateway} ${number}`;
    const controller = new AbortController();
    this.asked.set(key, controller);
    const failed = await this.run(lost, controller.signal);
    this.asked.delete(key);
    const link = this.options.hub.get(gateway);
    link?.append({ type: toGateway.gatewayLostHandled, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(failed));
  }

  /** The gateway waits no longer for the answer to its question, if it was one of these. */
  cancel(gateway: string, number: number): void {
    this.asked.get(`${gateway} ${number}`)?.abort(new CodedError("turn.over", "nobody waits for onGatewayLost any more"));
  }

  /**
   * @param cancelled Nobody waits for it any more.
   * @returns how many have thrown, or have taken too long.
   */
  async run(gateway: string, cancelled: AbortSignal): Promise<number> {
    const hooks = this.options.handlers.filter(({ handler }) => handler.onGatewayLost !== undefined);
    const done = await Promise.all(hooks.map((hook) => this.runOne(hook, gateway, cancelled)));
    return done.filter((isDone) => !isDone).length;
  }

  private async runOne({ file, handler }: LoadedHandler, gateway: string, cancelled: AbortSignal): Promise<boolean> {
    const { app, limits, log } = this.options;
    const controller = new AbortController();
    const late = new CodedError("turn.timeout", `onGatewayLost has not settled within ${limits.turnTimeoutMs} ms (TURN_TIMEOUT_MS)`);
    const stop = afterRunning(limits.turnTimeoutMs, () => controller.abort(late));
    const signal = AbortSignal.any([controller.signal, cancelled]);
    const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    this.running++;
    try {
      const run = async () => handler.onGatewayLost?.(app, { gateway, signal });
      await Promise.race([run(), aborted]);
      return true;
    } catch (error) {
      this.failed++;
      log.error({ file, lost: gateway, err: error }, "onGatewayLost failed and will be retried in 5 s");
      return false;
    } finally {
      stop();
      this.running--;
    }
  }
}

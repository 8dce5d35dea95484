// Runs the handlers' onGatewayLost, where a gateway asks for it.

import type { Logger } from "pino";
import { CodedError } from "../protocol/errors.ts";
import type { App } from "./handler.ts";
import type { LoadedHandler } from "./loader.ts";

export interface GatewayLostHooksOptions {
  readonly handlers: readonly LoadedHandler[];
  readonly app: App;
  readonly limits: { readonly turnTimeoutMs: number };
  readonly log: Logger;
}

export class GatewayLostHooks {
  private readonly options: GatewayLostHooksOptions;
  /** Those that have begun and not settled in time yet. */
  running = 0;
  /** Of all that have run: those that threw, or took too long. */
  failed = 0;

  constructor(options: GatewayLostHooksOptions) {
    this.options = options;
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
    const timer = setTimeout(() => controller.abort(late), limits.turnTimeoutMs);
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
      clearTimeout(timer);
      this.running--;
    }
  }
}

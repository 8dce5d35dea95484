// What `conn.subscribe` takes as `hook`, and what that asks of the handler.

import { CodedError } from "../protocol/errors.ts";
import type { Handler, SubscribeOptions } from "./handler.ts";

/** @throws {CodedError} "hook.invalid" */
export function checkHook({ onPublish }: Pick<Handler, "onPublish">, options: SubscribeOptions | undefined): boolean {
  const hook: unknown = options?.hook ?? false;
  if (typeof hook !== "boolean") throw new CodedError("hook.invalid", `hook is true or false, not ${typeof hook}`);
  if (!hook) return false;
  if (onPublish === undefined) throw new CodedError("hook.invalid", "subscribe with hook needs an onPublish in the handler");
  if (options?.last === undefined && options?.after === undefined) return true;
  throw new CodedError("hook.invalid", "hook goes with neither last nor after: app.history reads what the topic keeps");
}

// How much of the protocol a gateway knows. Workers are replaced at each deploy and gateways are not, so a worker may be newer than its
// gateway, which would ignore what it does not know. So the gateway tells, and the worker refuses what would be lost.

import { CodedError } from "./errors.ts";

/**
 * Told in each pin and in each gateway's hello. One that tells none is of level 0. docs/wire.md lists what each level has.
 */
export const gatewayLevel = 2;

/**
 * @param level What the gateway has told; undefined: nothing.
 * @param what "conn.setTimer": what needs it.
 * @throws {CodedError} "gateway.outdated"
 */
export function needLevel(level: number | undefined, needed: number, what: string): void {
  if ((level ?? 0) >= needed) return;
  const text = `${what} needs a newer gateway than the one that runs: restart the gateways, then deploy again`;
  throw new CodedError("gateway.outdated", text);
}

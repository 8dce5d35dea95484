// What ready-made ways and adapters warn of: they run where there is no log, so the worker listens.

import { channel } from "node:diagnostics_channel";
import type { Kind, SparseLog } from "../process/sparse-log.ts";

/** What SparseLog.warn takes. */
export type Warning = Parameters<SparseLog["warn"]>;

const warnings = channel("thinstate:warnings");

/**
 * For the worker's log, which has the first few of each kind in a minute.
 * @param kind A code, a route: from a set that clients cannot make larger.
 * @param about Whatever a client has said in it is bounded, and no secret.
 * @param text Of the same set.
 */
export function warn(kind: Kind, about: object, text: string): void {
  warnings.publish([kind, about, text] satisfies Warning);
}

export function onWarning(listener: (...warning: Warning) => void): void {
  warnings.subscribe((message) => listener(...(message as Warning)));
}

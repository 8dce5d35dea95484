// Where an installation that is abused differs from a usual one.

import type { Setting } from "../testbed/installation.ts";
import type { Abuse } from "./abuse.ts";

/** Totals are set low, so that a run of seconds reaches them. */
export const totalBytes = 64 * 1024 * 1024;

const usual = {
  PARKED_TOTAL_BYTES: String(totalBytes),
  BACKPRESSURE_TOTAL_BYTES: String(totalBytes),
  // The victim's own; strangers have others: see attack.ts.
  UNLIMITED_ADDRESSES: "127.0.0.1",
};

export function abuseSetting({ env, openFiles }: Abuse): Setting {
  return {
    name: "abuse",
    shape: { workers: 2, gateways: 1, nats: "supervised" },
    handlersDir: "abuse/handlers",
    env: { ...usual, ...env },
    ...(openFiles !== undefined && { openFiles }),
  };
}

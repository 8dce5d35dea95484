// The settings of how much clients may do: see client-limits.ts. All of them may change while the gateway runs.

import * as v from "valibot";
import { integer } from "../process/settings.ts";
import { isAddressList } from "./address-list.ts";
import type { ClientLimitsOptions } from "./client-limits.ts";
import type { Passed } from "./connection-meter.ts";

/** A second; 0: without a limit. */
const perSecond = (otherwise: number) => integer({ least: 0, most: 1_000_000_000, otherwise });

export const clientLimitSettings = {
  /** Of one connection. */
  MESSAGES_PER_SECOND: perSecond(1_000),
  BYTES_PER_SECOND: perSecond(4 * 1024 * 1024),
  PINGS_PER_SECOND: perSecond(10),
  /** An address, and a user, may send as much as this many connections. */
  ADDRESS_FACTOR: integer({ least: 1, most: 1_000_000, otherwise: 25 }),
  USER_FACTOR: integer({ least: 1, most: 1_000_000, otherwise: 10 }),
  /** Of one address, and of one user. All that ADDRESS_CONNECTIONS lets in may come back at once. */
  UPGRADES_PER_SECOND: perSecond(100),
  /** Of one address. */
  FAILED_UPGRADES_PER_SECOND: perSecond(4),
  REQUESTS_PER_SECOND: perSecond(100),
  ADDRESS_CONNECTIONS: integer({ least: 1, most: 10_000_000, otherwise: 500 }),
  /** Where no limit of an address holds: a proxy that is not named in TRUSTED_PROXIES is often on the same machine. */
  UNLIMITED_ADDRESSES: v.optional(
    v.pipe(
      v.string(),
      v.check((text) => text === "none" || isAddressList(text), "none, or addresses or networks (10.0.0.0/8), separated by commas"),
    ),
    "127.0.0.0/8,::1",
  ),
};

type ClientLimitConfig = Readonly<{ [Name in keyof typeof clientLimitSettings]: v.InferOutput<(typeof clientLimitSettings)[Name]> }>;

export function clientLimitRates(config: ClientLimitConfig): ClientLimitsOptions["rates"] {
  return {
    connection: {
      messages: limitOf(config.MESSAGES_PER_SECOND),
      bytes: limitOf(config.BYTES_PER_SECOND),
      pings: limitOf(config.PINGS_PER_SECOND),
    },
    addressFactor: config.ADDRESS_FACTOR,
    userFactor: config.USER_FACTOR,
    connections: config.ADDRESS_CONNECTIONS,
    upgrades: limitOf(config.UPGRADES_PER_SECOND),
    failures: limitOf(config.FAILED_UPGRADES_PER_SECOND),
    requests: limitOf(config.REQUESTS_PER_SECOND),
  };
}

const settingsOfWhat: Readonly<Record<string, string>> = {
  messages: "MESSAGES_PER_SECOND",
  bytes: "BYTES_PER_SECOND",
  pings: "PINGS_PER_SECOND",
  upgrades: "UPGRADES_PER_SECOND",
  failures: "FAILED_UPGRADES_PER_SECOND",
  refusals: "FAILED_UPGRADES_PER_SECOND",
  requests: "REQUESTS_PER_SECOND",
  sockets: "UPGRADES_PER_SECOND + REQUESTS_PER_SECOND",
  connections: "ADDRESS_CONNECTIONS",
};

/** @returns The settings that make this limit: "MESSAGES_PER_SECOND × ADDRESS_FACTOR"; of a route its option: "limits.messages". */
export function settingsOf(passed: Passed): string {
  const [by, what = ""] = passed.split(" ");
  // No setting: the handler's own.
  if (by === "route") return `limits.${what}`;
  const setting = settingsOfWhat[what] ?? what;
  const isSent = what === "messages" || what === "bytes" || what === "pings";
  if (!isSent || by === "connection") return setting;
  return `${setting} × ${by === "user" ? "USER_FACTOR" : "ADDRESS_FACTOR"}`;
}

function limitOf(setting: number): number {
  return setting === 0 ? Number.POSITIVE_INFINITY : setting;
}

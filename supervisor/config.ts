// The supervisor's settings, from the environment. Parsed once. The rest of the environment is passed on to gateways and workers,
// which parse their own settings.

import { isAbsolute, join, relative, resolve } from "node:path";
import * as v from "valibot";
import type { BusSecurity } from "../nats/security.ts";
import { integer, longestWaitMs, namespace, natsFileSettings, optionalInteger, parseSettings } from "../process/settings.ts";
import { cacheFolder } from "../scripts/setup/cache.mjs";
import { usualCheckLimitMs } from "./releases/release.ts";

export interface Config {
  /** The folder of package.json, and the folder for everything that is not in the repository. */
  readonly clone: string;
  readonly cacheFolder: string;
  /** Absolute: for files of handlers that outlive releases. */
  readonly sharedDir: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Whether clients use TLS. */
  readonly hasTls: boolean;
  /** Of the first gateway; the others use the next ports. 0: any free ports. */
  readonly adminPort: number;
  readonly adminHost: string;
  /** undefined: we start our own nats-server. */
  readonly natsUrl: string | undefined;
  /** Of our own nats-server: this port, or the next free one. 0: any free port. */
  readonly natsPort: number;
  readonly natsSecurity: BusSecurity;
  readonly namespace: string;
  readonly workers: number;
  readonly gateways: number;
  /** Relative to the clone. */
  readonly handlersDir: string;
  /** Likewise; undefined: no demos are served. */
  readonly demosDir: string | undefined;
  /** How long replaced workers are kept, so that a rollback is immediate. */
  readonly warmMs: number;
  /** How long a release is watched after its activation. 0: not at all. */
  readonly watchMs: number;
  /** Processor time for a deploy's type check, and again for its trial load of all handlers. */
  readonly checkTimeoutMs: number;
  /** How long new workers may take to become ready. */
  readonly readyTimeoutMs: number;
  /** A worker that is silent for this long loses its connections; after twice as long, it is killed. */
  readonly workerTimeoutMs: number;
  /** Grace period between SIGTERM and SIGKILL. */
  readonly stopTimeoutMs: number;
}

const demosDir = "examples/demos";

/** What setTimeout takes at most. */
const timerLimitMs = 2 ** 31 - 1;

/** @throws {CodedError} "config.invalid", which names every mistake: variable, value, and what it may be. */
export function parseConfig(environment: NodeJS.ProcessEnv, clone: string): Config {
  const settings = parseSettings(withPortsApart(supervisorSettings(clone)), environment);
  return Object.freeze({
    clone,
    cacheFolder: cacheFolder(environment),
    sharedDir: resolve(clone, settings.SHARED_DIR ?? join(cacheFolder(environment), "shared")),
    host: settings.HOST,
    port: settings.PORT,
    hasTls: settings.TLS_CERT_FILE !== "",
    adminPort: settings.ADMIN_PORT,
    adminHost: settings.ADMIN_HOST,
    natsUrl: settings.NATS_URL,
    natsPort: settings.NATS_PORT,
    natsSecurity: v.parse(v.object(natsFileSettings), settings),
    namespace: settings.NAMESPACE,
    workers: settings.WORKERS,
    gateways: settings.GATEWAYS,
    handlersDir: relative(clone, resolve(clone, settings.HANDLERS_DIR)),
    demosDir: (settings.DEMOS ?? Number(loopback.has(settings.HOST))) === 1 ? demosDir : undefined,
    warmMs: settings.WARM_MS,
    watchMs: settings.WATCH_MS,
    checkTimeoutMs: settings.CHECK_TIMEOUT_MS,
    readyTimeoutMs: settings.READY_TIMEOUT_MS,
    workerTimeoutMs: settings.WORKER_TIMEOUT_MS,
    stopTimeoutMs: settings.STOP_TIMEOUT_MS,
  });
}

const host = v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9.:_-]+$/, "an address or a host name")), "127.0.0.1");

/** A schema for each variable. */
export function supervisorSettings(clone: string) {
  return v.object({
    PORT: integer({ least: 0, most: 65_535, otherwise: 8080 }),
    HOST: host,
    TLS_CERT_FILE: v.optional(v.string(), ""),
    ADMIN_PORT: integer({ least: 0, most: 65_535, otherwise: 9090 }),
    ADMIN_HOST: host,
    NATS_URL: v.optional(v.pipe(v.string(), v.check(isNatsUrl, "nats://host:port, or several, separated by commas"))),
    NATS_PORT: integer({ least: 0, most: 65_535, otherwise: 4222 }),
    ...natsFileSettings,
    /** Serves nats-server's release archives under the same paths as GitHub: see nats-server/upstream.ts. */
    NATS_SERVER_MIRROR: v.optional(v.pipe(v.string(), v.check(isWebUrl, "http://… or https://…"))),
    NAMESPACE: namespace,
    WORKERS: integer({ least: 0, most: 1_000, otherwise: 2 }),
    GATEWAYS: integer({ least: 1, most: 100, otherwise: 1 }),
    HANDLERS_DIR: v.optional(
      v.pipe(
        v.string(),
        v.check((folder) => isInside(clone, folder), "a folder inside the clone"),
      ),
      "worker/handlers",
    ),
    /** Where nothing is set: as a service 0; else 1, but not where others than this machine are served. */
    DEMOS: optionalInteger({ least: 0, most: 1 }),
    SHARED_DIR: v.optional(v.string()),
    WARM_MS: integer({ least: 0, most: timerLimitMs, otherwise: 30_000 }),
    WATCH_MS: integer({ least: 0, most: 600_000, otherwise: 5_000 }),
    CHECK_TIMEOUT_MS: integer({ least: 1_000, most: 3_600_000, otherwise: usualCheckLimitMs }),
    READY_TIMEOUT_MS: integer({ least: 1, most: timerLimitMs, otherwise: 30_000 }),
    WORKER_TIMEOUT_MS: integer({ least: 2_000, most: longestWaitMs, otherwise: 5_000 }),
    STOP_TIMEOUT_MS: integer({ least: 1, most: timerLimitMs, otherwise: 10_000 }),
  });
}

const everyAddress = new Set(["0.0.0.0", "::"]);
const loopback = new Set(["127.0.0.1", "localhost"]);

/** Whether two hosts share their ports. */
function isShared(one: string, other: string): boolean {
  return one === other || everyAddress.has(one) || everyAddress.has(other) || (loopback.has(one) && loopback.has(other));
}

function withPortsApart(settings: ReturnType<typeof supervisorSettings>) {
  return v.pipe(
    settings,
    v.forward(
      v.partialCheck(
        [["HOST"], ["PORT"], ["ADMIN_HOST"], ["ADMIN_PORT"], ["GATEWAYS"]],
        ({ HOST, PORT, ADMIN_HOST, ADMIN_PORT, GATEWAYS }) =>
          PORT === 0 || ADMIN_PORT === 0 || !isShared(HOST, ADMIN_HOST) || PORT < ADMIN_PORT || PORT >= ADMIN_PORT + GATEWAYS,
        ({ input: { PORT, GATEWAYS } }) =>
          `clear of PORT=${PORT}: each gateway needs an admin port, from ADMIN_PORT upwards (GATEWAYS=${GATEWAYS})`,
      ),
      ["ADMIN_PORT"],
    ),
  );
}

function isNatsUrl(urls: string): boolean {
  return urls.split(",").every((url) => /^((nats|tls):\/\/)?[^\s/]+$/.test(url.trim()));
}

function isWebUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}

function isInside(clone: string, folder: string): boolean {
  const path = relative(clone, resolve(clone, folder));
  return path !== "" && path.split("/")[0] !== ".." && !isAbsolute(path);
}

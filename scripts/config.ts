// What the supervisor is told by the environment, parsed once. Everything else in the environment is passed on to gateways
// and workers, which parse their own limits.

import { isAbsolute, relative, resolve } from "node:path";
import * as v from "valibot";
import { CodedError } from "../protocol/errors.ts";
import { isNamespace } from "../protocol/subjects.ts";
import { cacheFolder } from "./setup/cache.mjs";

export interface Config {
  /** The folder that has package.json, and the one for everything that is not in the repository. */
  readonly clone: string;
  readonly cacheFolder: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Of the first gateway; the others follow. 0: any free ones. */
  readonly adminPort: number;
  /** undefined: we start a nats-server of our own. */
  readonly natsUrl: string | undefined;
  readonly namespace: string;
  readonly workers: number;
  readonly gateways: number;
  /** Relative to the clone. */
  readonly handlersDir: string;
  /** How long replaced workers stay, so that a rollback is quick. */
  readonly warmMs: number;
  /** How long new workers may take until they are ready. */
  readonly readyTimeoutMs: number;
  /** How long what is asked to end may take until it is killed. */
  readonly stopTimeoutMs: number;
}

const timerLimitMs = 2 ** 31 - 1;

/** @throws {CodedError} "config.invalid", which names every mistake: variable, value, and what it may be. */
export function parseConfig(env: NodeJS.ProcessEnv, clone: string): Config {
  const parsed = v.safeParse(environment(clone), env);
  if (!parsed.success) {
    const issues = parsed.issues.map((issue) => {
      const path = v.getDotPath(issue) ?? "";
      return { path, message: `${path}=${JSON.stringify(issue.input)}: must be ${issue.message}` };
    });
    const lines = issues.map((issue) => `  ${issue.message}`).join("\n");
    throw new CodedError("config.invalid", `the environment has ${issues.length === 1 ? "a mistake" : "mistakes"}:\n${lines}`, { issues });
  }
  const { PORT, HOST, ADMIN_PORT, NATS_URL, NAMESPACE, WORKERS, GATEWAYS, HANDLERS_DIR, ...times } = parsed.output;
  return Object.freeze({
    clone,
    cacheFolder: cacheFolder(env),
    host: HOST,
    port: PORT,
    adminPort: ADMIN_PORT,
    natsUrl: NATS_URL,
    namespace: NAMESPACE,
    workers: WORKERS,
    gateways: GATEWAYS,
    handlersDir: HANDLERS_DIR,
    warmMs: times.WARM_MS,
    readyTimeoutMs: times.READY_TIMEOUT_MS,
    stopTimeoutMs: times.STOP_TIMEOUT_MS,
  });
}

function environment(clone: string) {
  return v.object({
    PORT: integer(8080, 0, 65_535),
    HOST: text("127.0.0.1", (host) => /^[A-Za-z0-9.:_-]+$/.test(host), "an address or a host name"),
    ADMIN_PORT: integer(9090, 0, 65_535),
    NATS_URL: v.optional(v.pipe(v.string(), v.check(isNatsUrl, "nats://host:port, or several parted by commas"))),
    NAMESPACE: text("thinstate", isNamespace, "letters, digits, - and _, in parts parted by dots, at most 64"),
    WORKERS: integer(2, 0, 1_000),
    GATEWAYS: integer(1, 1, 100),
    HANDLERS_DIR: v.pipe(
      v.optional(v.string(), "worker/handlers"),
      v.check((folder) => isInside(clone, folder), "a folder inside the clone"),
      v.transform((folder) => relative(clone, resolve(clone, folder))),
    ),
    WARM_MS: integer(30_000, 0, timerLimitMs),
    READY_TIMEOUT_MS: integer(10_000, 1, timerLimitMs),
    STOP_TIMEOUT_MS: integer(10_000, 1, timerLimitMs),
  });
}

function integer(byDefault: number, least: number, most: number) {
  return v.pipe(
    v.optional(v.string(), String(byDefault)),
    v.check(
      (digits) => /^\d{1,10}$/.test(digits) && Number(digits) >= least && Number(digits) <= most,
      `an integer from ${least} to ${most}`,
    ),
    v.transform(Number),
  );
}

function text(byDefault: string, isAllowed: (value: string) => boolean, allowed: string) {
  return v.pipe(v.optional(v.string(), byDefault), v.check(isAllowed, allowed));
}

function isNatsUrl(urls: string): boolean {
  return urls.split(",").every((url) => /^((nats|tls):\/\/)?[^\s/]+$/.test(url.trim()));
}

function isInside(clone: string, folder: string): boolean {
  const path = relative(clone, resolve(clone, folder));
  return path !== "" && path.split("/")[0] !== ".." && !isAbsolute(path);
}

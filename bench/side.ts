// The two that are compared: each starts servers that do the same.

import { withKey } from "../process/api-keys/changes.ts";
import { newKey, writeKeys } from "../process/api-keys/key-file.ts";
import { clone as ourClone } from "../scripts/setup/cache.mjs";
import { apiKeysFile } from "../supervisor/api-keys-file.ts";
import type { SwitchReport } from "../supervisor/deploy-report.ts";
import { Installation, type Shape } from "../testbed/installation.ts";
import { Child } from "../testbed/node-process.ts";
import { unlimitedClients } from "../testbed/unlimited-clients.ts";
import type { Ending } from "./running.ts";

export interface Server extends Ending {
  readonly host: string;
  readonly port: number;
  /** Those that hold the connections. */
  readonly gatewayPids: readonly number[];
  /** Empty where there are none. */
  readonly workerPids: readonly number[];
  /** All that take part in an answer. */
  readonly pids: readonly number[];
  /** Of gateways: where each tells its metrics. */
  readonly adminPorts: readonly number[];
  /** undefined where there is no NATS. */
  readonly nats: { readonly url: string; readonly credentialsFile: string | undefined } | undefined;
  /** @returns a new key of the HTTP API, which is at /api; undefined where there is none. */
  readonly addApiKey: (() => string) | undefined;
  /** `npm run deploy-worker`; undefined where there is none. */
  readonly deploy: (() => Promise<SwitchReport>) | undefined;
}

export interface Side {
  readonly name: string;
  /** uWebSockets.js alone: one process, whatever shape is asked for. */
  readonly isBare: boolean;
  /** The folder whose code is measured. */
  readonly clone: string;
  /** Resolves when a message could be answered. */
  start(shape: BenchShape): Promise<Server>;
}

export interface BenchShape extends Pick<Shape, "workers" | "gateways"> {
  /** Missing: those that every commit can serve. */
  readonly handlersDir?: string;
}

const usualHandlers = "bench/handlers";
/** Handlers that commits before 0.3 cannot load. */
export const newerHandlers = "bench/newer-handlers";
export const handlersDirs = [usualHandlers, newerHandlers];

export const bare: Side = {
  name: "bare",
  isBare: true,
  clone: ourClone,
  async start() {
    const child = new Child<{ host: string; port: number }>("bench/bare/main.ts");
    const { host, port } = await child.hears((listening) => listening);
    const own = {
      gatewayPids: [child.pid],
      workerPids: [],
      pids: [child.pid],
      adminPorts: [],
      nats: undefined,
      addApiKey: undefined,
      deploy: undefined,
    };
    return { host, port, ...own, end: () => child.end() };
  },
};

/** As much as any row needs. Clients of a load answer no pings, and are silent until all of them are open. */
const room = { CONNECTIONS: "1000000", TOPICS: "1000000", SUBSCRIPTIONS: "10000000", IDLE_TIMEOUT_MS: "960000", API_PATH: "/api" };

/** @param clone The folder whose code serves. It needs our handlers, too. */
export function thinstate(name: string, clone: string): Side {
  return {
    name,
    isBare: false,
    clone,
    async start(shape) {
      const installation = await Installation.start({
        name: "bench",
        shape: { ...shape, nats: "supervised" },
        handlersDir: shape.handlersDir ?? usualHandlers,
        env: { ...unlimitedClients, ...room },
        clone,
      });
      try {
        return await serverOf(installation, shape.workers);
      } catch (error) {
        await installation.end();
        throw error;
      }
    },
  };
}

async function serverOf(installation: Installation, workerCount: number): Promise<Server> {
  const { gateways, workers, nats } = await installation.until(
    "every worker is active",
    (status) => status.workers.filter(({ state }) => state === "active").length === workerCount,
  );
  const { hostname, port } = new URL(installation.url);
  const gatewayPids = gateways.map(({ pid }) => pid);
  const workerPids = workers.map(({ pid }) => pid);
  return {
    host: hostname,
    port: Number(port),
    gatewayPids,
    workerPids,
    pids: [...gatewayPids, ...workerPids, ...(nats.pid === null ? [] : [nats.pid])],
    adminPorts: gateways.map(({ adminPort }) => adminPort),
    nats: { url: nats.url, credentialsFile: installation.natsCredentialsFile },
    addApiKey: () => addApiKey(installation.cacheFolder),
    deploy: () => installation.run("deploy-worker"),
    end: () => installation.end(),
  };
}

function addApiKey(folder: string): string {
  const key = newKey();
  const rights = { publish: ["*"], users: [], members: [], history: [] };
  writeKeys(apiKeysFile(folder), withKey([], { name: "bench", rights, key, now: new Date() }));
  return key;
}

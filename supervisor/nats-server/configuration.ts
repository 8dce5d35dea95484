// The config file of a nats-server of ours. Messages take core NATS alone; JetStream has what handlers give it to keep: tickets for some
// minutes (worker/auth/tickets.ts), and the history of topics.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Permissions, rightsOf, roles } from "../../nats/permissions.ts";
import type { PublicKeys } from "./access.ts";

/** As patient as `write_deadline`. */
const loginSeconds = 10;

/** Nobody reaches it from another machine. */
export const natsHost = "127.0.0.1";

export interface NatsFiles {
  readonly config: string;
  readonly log: string;
  readonly pid: string;
}

export interface NatsOptions {
  readonly port: number;
  /** Who writes the file, and when: "at each start of thinstate". */
  readonly written: string;
  /** Who may connect; undefined: every process of this machine. */
  readonly users: NatsUsers | undefined;
  /** `max_payload`: see protocol/payload-limits.ts. */
  readonly payloadBytes: number;
  /** What it says when it is connected to. */
  readonly serverName?: string;
  /** undefined: 5 s. */
  readonly pingSeconds?: number | undefined;
  /** Where it leaves its pid and its log; undefined: nowhere, the log is its output. */
  readonly files?: NatsFiles;
  /** A folder of the server's own, for JetStream. */
  readonly storeDir: string;
}

export interface NatsUsers {
  readonly namespace: string;
  readonly keys: PublicKeys;
  /** Where their secret halves are. */
  readonly folder: string;
}

export function natsFiles(folder: string): NatsFiles {
  return { config: join(folder, "nats-server.conf"), log: join(folder, "nats-server.log"), pid: join(folder, "nats-server.pid") };
}

/** @returns Where the server of this file listens; undefined: there is no such file, or it says nothing of it. */
export function configuredPort(file: string): number | undefined {
  return numberIn(file, /^listen: "(?:.*):(\d+)"$/m);
}

/** @returns Its `max_payload`; undefined: as before. */
export function configuredPayload(file: string): number | undefined {
  return numberIn(file, /^max_payload: (\d+)$/m);
}

/** Understood by nats-server 2.9 (Debian 12) and later. Nothing in it is secret. */
export function natsConfiguration({
  port,
  written,
  users,
  payloadBytes,
  serverName,
  pingSeconds = 5,
  files,
  storeDir,
}: NatsOptions): string {
  return [
    `# Written ${written}; what you change here is lost.`,
    `listen: "${natsHost}:${port}"`,
    ...(serverName === undefined ? [] : [`server_name: ${JSON.stringify(serverName)}`]),
    ...(files === undefined ? [] : [filesText(files)]),
    ...(users === undefined ? ["# There is no password."] : [usersText(users)]),
    limitsText(payloadBytes, pingSeconds),
    jetStreamText(storeDir),
  ].join("\n\n");
}

/** @returns The folder of its JetStream; undefined: it has none. */
export function configuredStore(file: string): string | undefined {
  const text = textIn(file, /^ {2}store_dir: (".*")$/m);
  return text === undefined ? undefined : (JSON.parse(text) as string);
}

function numberIn(file: string, pattern: RegExp): number | undefined {
  const number = textIn(file, pattern);
  return number === undefined ? undefined : Number(number);
}

function textIn(file: string, pattern: RegExp): string | undefined {
  try {
    return pattern.exec(readFileSync(file, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

function jetStreamText(storeDir: string): string {
  return `# For one-time tickets, tasks, and the history of topics. On disk alone, and no more than this: the buckets of the former have 64 and 16 MiB at
# most, and each of eight streams of history HISTORY_STREAM_BYTES, 64 MiB unless you have set it.
jetstream {
  store_dir: ${JSON.stringify(storeDir)}
  max_memory_store: 0
  max_file_store: 1GB
}
`;
}

function filesText({ pid, log }: NatsFiles): string {
  return `pid_file: ${JSON.stringify(pid)}
log_file: ${JSON.stringify(log)}
logfile_size_limit: 10MB`;
}

function usersText({ namespace, keys, folder }: NatsUsers): string {
  const permissions = rightsOf(namespace);
  const users = roles.map((role) => `    # ${role}\n${userText(keys[role], permissions[role])}`);
  return `# Each role may say and hear what it has to. What it shows is in ${join(folder, "<role>.credentials")}.
authorization: {
  # Seconds to log in, on a machine that may be busy; the default is 2.
  timeout: ${loginSeconds}
  users: [
${users.join("\n")}
  ]
}`;
}

function userText(key: string, { publish, subscribe }: Permissions): string {
  return `    {
      nkey: ${key}
      permissions: {
        publish: ${subjectsText(publish)}
        subscribe: ${subjectsText(subscribe)}
      }
    }`;
}

function subjectsText(subjects: readonly string[]): string {
  if (subjects.length === 0) return '{ deny: ">" }';
  return `{ allow: [${subjects.map((subject) => JSON.stringify(subject)).join(", ")}] }`;
}

function limitsText(payloadBytes: number, pingSeconds: number): string {
  return `# What a batch between gateway and worker may have: links cut theirs to what the server says here. By MESSAGE_BYTES,
# EFFECTS_BYTES and STATE_BYTES.
max_payload: ${payloadBytes}

# Bytes waiting for one client before it is thrown out as slow. Links bound what is under way, so this is for a worker
# that is busy for a moment while many connections write to it; the default of 64 MB is met by eight full links.
max_pending: 256MB

# As long as a worker may be stopped, by a debugger or by a machine that swaps, before it loses its connection.
write_deadline: "10s"

# A peer that vanished without closing is noticed after two of these.
ping_interval: "${pingSeconds}s"
ping_max: 2

# A gateway has a subscription for each topic with a local subscriber.
max_subscriptions: 0
max_connections: 65536
`;
}

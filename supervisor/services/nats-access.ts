// How gateways, workers and commands reach NATS on a machine where thinstate is installed: a server of ours where each role has
// an nkey and its least permissions, or the one that NATS_URL names. What a role shows is a file of root's that systemd hands to its
// services (LoadCredential=).

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { chmod, copyFile, lstat } from "node:fs/promises";
import { join } from "node:path";
import type { Role } from "../../nats/permissions.ts";
import { ensureKeys, credentialsFile as fileIn } from "../nats-server/access.ts";
import { configuredPort, natsConfiguration, natsHost } from "../nats-server/configuration.ts";
import { checkPort } from "../port.ts";
import { layout, units } from "./layout.ts";
import { pointTo } from "./software.ts";

/** NATS' own; where somebody has it, the next one that is free. */
const usualPort = 4222;

/** Files for TLS, by variable, as they are called in our folder. */
const tlsFiles = { NATS_CA_FILE: "ca.pem", NATS_CERT_FILE: "cert.pem", NATS_KEY_FILE: "key.pem" } as const;

/** In a release: a link, since releases of 0.2 need another one. systemd follows it as root. */
const releaseAccess = "nats.credentials";

export function credentialsFile(role: Role): string {
  return fileIn(layout.natsAccess, role);
}

/**
 * Links what the workers of a release show to where their unit finds it.
 * @param folder Of the release.
 */
export async function linkAccess(folder: string, role: "worker" | "olderWorker"): Promise<void> {
  await pointTo(join(folder, releaseAccess), credentialsFile(role));
}

/** Whether there is such a link. */
export function hasAccess(folder: string): Promise<boolean> {
  return lstat(join(folder, releaseAccess)).then(
    () => true,
    () => false,
  );
}

/** Settings by which a command connects as operator. */
export function operatorAccess(natsUrl: string): Record<string, string> {
  const files = Object.entries(tlsFiles).map(([variable, name]) => [variable, join(layout.natsAccess, name)] as const);
  const found = [["NATS_CREDENTIALS_FILE", credentialsFile("operator")] as const, ...files].filter(([, file]) => existsSync(file));
  return { NATS_URL: natsUrl, ...Object.fromEntries(found) };
}

/** The server that we have configured; undefined: there is none. */
export function ownServerUrl(): string | undefined {
  const port = configuredPort(layout.natsConfiguration);
  return port === undefined ? undefined : urlOf(port);
}

/**
 * Keys and configuration of a server of ours. Keys and port stay what they were.
 * @param payloadBytes What it has to let through: see protocol/payload-limits.ts.
 * @returns Its URL.
 */
export async function configureOwnServer(namespace: string, payloadBytes: number): Promise<string> {
  const folder = layout.natsAccess;
  const keys = ensureKeys(folder);
  const port = configuredPort(layout.natsConfiguration) ?? (await choosePort());
  const written = "by npm run install-service";
  const users = { namespace, keys, folder };
  const text = natsConfiguration({ port, written, users, payloadBytes, storeDir: layout.natsStore });
  writeFileSync(layout.natsConfiguration, text, { mode: 0o644 });
  return urlOf(port);
}

/** Takes what the command's environment names for a NATS that is not ours: every role shows the same, until somebody changes that. */
export async function takeAccess(environment: NodeJS.ProcessEnv): Promise<void> {
  mkdirSync(layout.natsAccess, { recursive: true, mode: 0o700 });
  const credentials = environment.NATS_CREDENTIALS_FILE;
  if (credentials)
    for (const role of ["gateway", "worker", "olderWorker", "operator"] as const) await takeFile(credentials, credentialsFile(role));
  for (const [variable, name] of Object.entries(tlsFiles)) {
    const file = environment[variable];
    if (file) await takeFile(file, join(layout.natsAccess, name));
  }
}

/** A copy would have the mode of what was copied. */
async function takeFile(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o600);
}

/**
 * What the unit of a gateway or worker has to know besides.
 * @param ownUrl undefined: NATS_URL is a setting like the others.
 */
export function accessDropIn(role: "gateway" | "worker", ownUrl: string | undefined): string {
  const tls = Object.entries(tlsFiles).map(([variable, name]) => [variable, join(layout.natsAccess, name)] as const);
  const credentials = role === "gateway" ? credentialsFile(role) : join(layout.workers, "%i", releaseAccess);
  const loaded = [
    ...(existsSync(credentialsFile(role)) ? [["NATS_CREDENTIALS_FILE", credentials] as const] : []),
    ...tls.filter(([, file]) => existsSync(file)),
  ];
  return [
    "# Written by npm run install-service; what you change here is lost.",
    ...(ownUrl === undefined ? [] : ["[Unit]", `Wants=${units.nats}`, `After=${units.nats}`, ""]),
    "[Service]",
    ...(ownUrl === undefined ? [] : [`Environment=NATS_URL=${ownUrl}`]),
    ...loaded.flatMap(([variable, file]) => [`LoadCredential=${variable}:${file}`, `Environment=${variable}=%d/${variable}`]),
    "",
  ].join("\n");
}

function urlOf(port: number): string {
  return `nats://${natsHost}:${port}`;
}

async function choosePort(): Promise<number> {
  for (let port = usualPort; ; port++) {
    try {
      await checkPort(port, natsHost);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
}

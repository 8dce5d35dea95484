// How gateways, workers and commands reach NATS on a machine where thinstate is installed: a server of ours where each role has
// an nkey and its least rights, or the one that NATS_URL names. What a role shows is a file of root's that systemd hands to its
// services (LoadCredential=).

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { createCredentials, publicKeyOf } from "../../protocol/bus-security.ts";
import { type Rights, type Role, rightsOf, roles } from "../../protocol/rights.ts";
import { natsLimits } from "../nats/configuration.ts";
import { checkPort } from "../supervisor/port.ts";
import { layout, units } from "./layout.ts";

/** NATS' own; where somebody has it, the next one that is free. */
const usualPort = 4222;
const host = "127.0.0.1";

/** Files for TLS, by variable, as they are called in our folder. */
const tlsFiles = { NATS_CA_FILE: "ca.pem", NATS_CERT_FILE: "cert.pem", NATS_KEY_FILE: "key.pem" } as const;

export function credentialsFile(role: Role): string {
  return join(layout.natsAccess, `${role}.credentials`);
}

/** Settings by which a command connects as operator. */
export function operatorAccess(natsUrl: string): Record<string, string> {
  const files = Object.entries(tlsFiles).map(([variable, name]) => [variable, join(layout.natsAccess, name)] as const);
  const found = [["NATS_CREDENTIALS_FILE", credentialsFile("operator")] as const, ...files].filter(([, file]) => existsSync(file));
  return { NATS_URL: natsUrl, ...Object.fromEntries(found) };
}

/** The server that we have configured; undefined: there is none. */
export function ownServerUrl(): string | undefined {
  if (!existsSync(layout.natsConfiguration)) return undefined;
  const port = /^listen: "(?:.*):(\d+)"$/m.exec(readFileSync(layout.natsConfiguration, "utf8"))?.[1];
  return port === undefined ? undefined : `nats://${host}:${port}`;
}

/** Keys and configuration of a server of ours. Keys and port stay what they were. @returns Its URL. */
export async function configureOwnServer(namespace: string): Promise<string> {
  mkdirSync(layout.natsAccess, { recursive: true, mode: 0o700 });
  const url = ownServerUrl() ?? `nats://${host}:${await choosePort()}`;
  const keys = Object.fromEntries(roles.map((role) => [role, ownKey(role)])) as Record<Role, string>;
  writeFileSync(layout.natsConfiguration, serverConfiguration(Number(new URL(url).port), rightsOf(namespace), keys), { mode: 0o644 });
  return url;
}

/** Takes what the command's environment names for a NATS that is not ours: every role shows the same, until somebody changes that. */
export async function takeAccess(environment: NodeJS.ProcessEnv): Promise<void> {
  mkdirSync(layout.natsAccess, { recursive: true, mode: 0o700 });
  const credentials = environment.NATS_CREDENTIALS_FILE;
  if (credentials) for (const role of ["gateway", "worker", "operator"] as const) await copyFile(credentials, credentialsFile(role));
  for (const [variable, name] of Object.entries(tlsFiles)) {
    const file = environment[variable];
    if (file) await copyFile(file, join(layout.natsAccess, name));
  }
}

/**
 * What the unit of a gateway or worker has to know besides.
 * @param ownUrl undefined: NATS_URL is a setting like the others.
 */
export function accessDropIn(role: "gateway" | "worker", ownUrl: string | undefined): string {
  const loaded = [
    ["NATS_CREDENTIALS_FILE", credentialsFile(role)] as const,
    ...Object.entries(tlsFiles).map(([variable, name]) => [variable, join(layout.natsAccess, name)] as const),
  ].filter(([, file]) => existsSync(file));
  return [
    "# Written by npm run install-service; what you change here is lost.",
    ...(ownUrl === undefined ? [] : ["[Unit]", `Wants=${units.nats}`, `After=${units.nats}`, ""]),
    "[Service]",
    ...(ownUrl === undefined ? [] : [`Environment=NATS_URL=${ownUrl}`]),
    ...loaded.flatMap(([variable, file]) => [`LoadCredential=${variable}:${file}`, `Environment=${variable}=%d/${variable}`]),
    "",
  ].join("\n");
}

async function choosePort(): Promise<number> {
  for (let port = usualPort; ; port++) {
    try {
      await checkPort(port, host);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
}

function ownKey(role: Role): string {
  const file = credentialsFile(role);
  if (existsSync(file)) return publicKeyOf(readFileSync(file, "utf8"));
  const { seed, publicKey } = createCredentials();
  writeFileSync(file, `${seed}\n`, { mode: 0o600 });
  return publicKey;
}

/** Understood by nats-server 2.9 (Debian 12) and later. Nothing in it is secret. */
export function serverConfiguration(port: number, rights: Readonly<Record<Role, Rights>>, keys: Readonly<Record<Role, string>>): string {
  const list = (subjects: readonly string[]) => `{ allow: [${subjects.map((subject) => JSON.stringify(subject)).join(", ")}] }`;
  const none = '{ deny: ">" }';
  const user = (role: Role) => `    # ${role}
    {
      nkey: ${keys[role]}
      permissions: {
        publish: ${rights[role].publish.length > 0 ? list(rights[role].publish) : none}
        subscribe: ${rights[role].subscribe.length > 0 ? list(rights[role].subscribe) : none}
      }
    }`;
  return `# Written by npm run install-service; what you change here is lost.

listen: "${host}:${port}"

# Each role may say and hear what it has to. What it shows is in ${layout.natsAccess}/<role>.credentials.
authorization: {
  users: [
${roles.map(user).join("\n")}
  ]
}

${natsLimits}`;
}

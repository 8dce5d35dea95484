// How this machine reaches the npm registry: for a container that has to reach it, too. Most machines need nothing.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/** npm's own, wherever they are set: in the environment or in one of its files. */
const settings = ["registry", "cafile", "strict-ssl", "proxy", "https-proxy", "noproxy"];
const variables = [
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
];
const namingFiles = ["npm_config_cafile", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];

export interface RegistrySettings {
  readonly env: Readonly<Record<string, string>>;
  /** What these name, and what else npm reads. */
  readonly files: readonly { readonly from: string; readonly to: string }[];
}

export function registrySettings(): RegistrySettings {
  const npm = npmSettings();
  const env: Record<string, string> = {};
  for (const name of variables) {
    const value = process.env[name];
    if (value) env[name] = value;
  }
  for (const name of settings) {
    const value = npm.get(name);
    if (value !== undefined) env[`npm_config_${name.replaceAll("-", "_")}`] = value;
  }
  const named = namingFiles.flatMap((name) => env[name] ?? []);
  // Tokens, and registries of scopes.
  const own = { from: npm.get("userconfig") ?? "", to: "/root/.npmrc" };
  const files = [...[...new Set(named)].map((file) => ({ from: file, to: file })), own];
  return { env, files: files.filter(({ from }) => existsSync(from)) };
}

function npmSettings(): Map<string, string> {
  const text = execFileSync("npm", ["config", "get", ...settings, "userconfig"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pairs = text.split("\n").map((line) => /^([^=]+)=(.*)$/.exec(line));
  return new Map(
    pairs.flatMap((pair) => (["", "null", "undefined"].includes(pair?.[2] ?? "") ? [] : [[pair?.[1] ?? "", pair?.[2] ?? ""]])),
  );
}

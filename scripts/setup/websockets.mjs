// Whether the native binary of uWebSockets.js runs on this machine. Its package falls back to a slow JavaScript server
// where the binary does not load; that must never serve, so it is tried here, before anything starts.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

// By tarball: git is not needed.
const upstream = "https://codeload.github.com/uNetworking/uWebSockets.js/tar.gz/refs/tags/v20.57.0";

/**
 * @param {NodeJS.ProcessEnv} env UWS_SOURCE: anything that npm installs.
 */
export function webSocketsSource(env) {
  return env.UWS_SOURCE || upstream;
}

/**
 * @param {string} clone
 * @returns {string | undefined} Why the binary does not run here; undefined when it does.
 */
export function webSocketsFault(clone) {
  const folder = join(clone, "node_modules", "uWebSockets.js");
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  // The republish that we depend on has binaries/, upstream has them at its root.
  const binary = [join(folder, "binaries", name), join(folder, name)].find((path) => existsSync(path));
  if (binary === undefined) return `the installed uWebSockets.js has no ${name}`;
  // In a process of its own: a binary that does not fit may take its process down.
  const trial = `process.dlopen({ exports: {} }, ${JSON.stringify(binary)}); process.exit(0)`;
  const { status, signal, stderr, error } = spawnSync(process.execPath, ["-e", trial], { encoding: "utf8" });
  if (status === 0) return undefined;
  const reason = stderr?.split("\n").find((line) => /Error: /.test(line)) ?? error?.message ?? `it ended with ${signal ?? status}`;
  return `${name} does not load: ${reason.replace(/^.*?Error: /, "")}`;
}

/**
 * @param {{ fault: string, source: string, failure: string }} options What was wrong, what was tried, and what came of it.
 */
export function webSocketsHelp({ fault, source, failure }) {
  return `uWebSockets.js does not run here: ${fault}.
Tried to replace it by ${source}, but: ${failure}

This is Node ${process.versions.node} with glibc ${glibcVersion() ?? "unknown (musl?)"} on ${process.platform} ${process.arch}.
Node 20 needs glibc 2.27 or newer; Node 22 and newer need glibc 2.38 or newer (Debian 13, Ubuntu 24.04).
Run it with Node 20, or name another build:  UWS_SOURCE=npm:<package>@<version> npm start`;
}

function glibcVersion() {
  // Else the report asks the network for names of all interfaces.
  /** @type {{ excludeNetwork?: boolean }} */ (process.report).excludeNetwork = true;
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return report.header.glibcVersionRuntime;
}

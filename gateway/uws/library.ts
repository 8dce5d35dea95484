// The one file that loads uWebSockets.js: the binary itself, without the package's own code. That of 20.30 would serve from a
// slow server in JavaScript where the binary does not load.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { CodedError } from "../../protocol/errors.ts";
import { type Build, chooseBuild, findBinary, thisMachine } from "./choice.mjs";

export type * from "uWebSockets.js";
export type Library = typeof import("uWebSockets.js");

/** Of a request's head. 20.69 answers a longer one with 431; 20.30 has 4096 of its own where it arrives in pieces. */
export const headLimitBytes = 16_384;

/**
 * The same object each time.
 * @returns It, and which version it is: the older one needs work-arounds.
 * @throws {CodedError} "library.unfit"
 */
export function loadLibrary(): { readonly uWS: Library; readonly version: Build["version"] } {
  const build = chooseBuild(thisMachine());
  if (typeof build === "string") throw new CodedError("library.unfit", build);
  const file = findBinary(build);
  if (file === undefined) throw new CodedError("library.unfit", `node_modules/${build.binary} is missing: run npm ci with this Node`);
  if (build.sha256 !== undefined) checkHash(file, build.sha256);
  // Read once, when the binary is loaded.
  // biome-ignore lint/style/noProcessEnv: uWebSockets.js has no other way to tell it.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(headLimitBytes);
  try {
    return { uWS: createRequire(import.meta.url)(file), version: build.version };
  } catch (error) {
    throw new CodedError("library.unfit", `${file} does not load: ${(error as Error).message}`, { cause: error });
  }
}

function checkHash(file: string, sha256: string): void {
  const found = createHash("sha256").update(readFileSync(file)).digest("hex");
  if (found !== sha256) {
    throw new CodedError(
      "library.unfit",
      `${file} is not the binary that we know: its SHA-256 is ${found}, not ${sha256}. See SECURITY.md`,
    );
  }
}

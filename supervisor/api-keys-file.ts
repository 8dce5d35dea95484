// Where the keys of the HTTP API are, and whose: the gateways of a clone, or those of this machine's services.

import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Owner } from "../process/replace-file.ts";
import { layout, users } from "./services/layout.ts";

const [gatewayUser] = users;

export interface KeysPlace {
  readonly file: string;
  /** Who runs the gateways; undefined: whoever runs this. */
  readonly owner: Owner | undefined;
}

export function apiKeysFile(cacheFolder: string): string {
  return join(cacheFolder, "api-keys.json");
}

/** @param cacheFolder exists. */
export function placeInClone(cacheFolder: string): KeysPlace {
  // Root may change what somebody else's gateways read.
  const { uid, gid } = statSync(cacheFolder);
  return { file: apiKeysFile(cacheFolder), owner: process.getuid?.() === 0 ? { uid, gid } : undefined };
}

/** For root. @throws where the services' user is missing. */
export function placeOfServices(): KeysPlace {
  return { file: layout.apiKeysFile, owner: { uid: numberOf("-u"), gid: numberOf("-g") } };
}

function numberOf(which: "-u" | "-g"): number {
  return Number(execFileSync("id", [which, gatewayUser], { encoding: "utf8" }));
}

// The keys of the HTTP API as their file has them now: npm run api-key changes it while gateways run.

import { stat } from "node:fs/promises";
import type { Logger } from "pino";
import { type ApiKey, hashOfKey, isKeyShaped, loadKeys } from "../../process/api-keys/key-file.ts";
import { FollowedFile } from "../followed-file.ts";

export interface KnownKeysOptions {
  /** Empty: there are no keys, and never will be. */
  readonly file: string;
  readonly log: Pick<Logger, "error">;
}

export class KnownKeys {
  private readonly followed: FollowedFile;
  /** By hash: how long a look-up takes tells nothing of a key that one could approach byte by byte. */
  private byHash = new Map<string, ApiKey>();
  /** Of the file that was read last: it is not read again before it is another. */
  private version = "";

  constructor({ file, log }: KnownKeysOptions) {
    this.followed = new FollowedFile({
      file,
      log,
      fault: "the keys of the HTTP API could not be read: they stay as they were",
      read: () => this.read(file),
    });
  }

  /** 0: the API is off. */
  get size(): number {
    return this.byHash.size;
  }

  /** Resolves once they were read. From then on they are read again once a second, until `end`. */
  begin(): Promise<void> {
    return this.followed.begin();
  }

  end(): void {
    this.followed.end();
  }

  /** @param shown What somebody says is a key. */
  find(shown: string): ApiKey | undefined {
    return isKeyShaped(shown) ? this.byHash.get(hashOfKey(shown)) : undefined;
  }

  /** @throws where the file is there and cannot be understood: it is no reason to refuse every program. */
  private async read(file: string): Promise<void> {
    const version = await versionOf(file);
    if (version === this.version) return;
    this.byHash = new Map((await loadKeys(file)).map((key) => [key.sha256, key]));
    this.version = version;
  }
}

/** Another one where the file was replaced or written to. */
async function versionOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return found === undefined ? "none" : `${found.ino} ${found.size} ${found.mtimeNs}`;
}

// The keys of the HTTP API as their file has them now: npm run api-key changes it while gateways run.

import { stat } from "node:fs/promises";
import type { Logger } from "pino";
import { type ApiKey, hashOfKey, isKeyShaped, loadKeys } from "../../process/api-keys/key-file.ts";

const lookMs = 1_000;

export interface KnownKeysOptions {
  /** Empty: there are no keys, and never will be. */
  readonly file: string;
  readonly log: Pick<Logger, "error">;
}

export class KnownKeys {
  private readonly options: KnownKeysOptions;
  /** By hash: how long a look-up takes tells nothing of a key that one could approach byte by byte. */
  private byHash = new Map<string, ApiKey>();
  private timer: NodeJS.Timeout | undefined;
  private isReading = false;
  /** Why they could not be read, as it was logged. */
  private fault = "";
  /** Of the file that was read last: it is not read again before it is another. */
  private version = "";

  constructor(options: KnownKeysOptions) {
    this.options = options;
  }

  /** 0: the API is off. */
  get size(): number {
    return this.byHash.size;
  }

  /** Resolves once they were read. From then on they are read again once a second, until `end`. */
  async begin(): Promise<void> {
    if (this.options.file === "") return;
    await this.read();
    this.timer = setInterval(() => void this.read(), lookMs);
  }

  end(): void {
    clearInterval(this.timer);
  }

  /** @param shown What somebody says is a key. */
  find(shown: string): ApiKey | undefined {
    return isKeyShaped(shown) ? this.byHash.get(hashOfKey(shown)) : undefined;
  }

  /** Those of a file that cannot be read stay as they were: it is no reason to refuse every program. */
  private async read(): Promise<void> {
    // The disk does not answer.
    if (this.isReading) return;
    this.isReading = true;
    try {
      const version = await versionOf(this.options.file);
      if (version === this.version) return;
      this.byHash = new Map((await loadKeys(this.options.file)).map((key) => [key.sha256, key]));
      this.fault = "";
      this.version = version;
    } catch (error) {
      const fault = String(error);
      if (fault !== this.fault)
        this.options.log.error({ err: error }, "the keys of the HTTP API could not be read: they stay as they were");
      this.fault = fault;
    } finally {
      this.isReading = false;
    }
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

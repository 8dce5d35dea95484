// A file that somebody else replaces while the gateway runs: read at the start, and once a second from then on. What cannot be read is no
// reason to serve nobody: what was known before stays.

import type { Logger } from "pino";

const everyMs = 1_000;

export interface FollowedFileOptions {
  /** Empty: there is none, and never will be. */
  readonly file: string;
  /** @throws where it cannot be read. */
  readonly read: () => Promise<void>;
  /** What it means that it could not be read, for people. */
  readonly fault: string;
  readonly log: Pick<Logger, "error">;
}

export class FollowedFile {
  private readonly options: FollowedFileOptions;
  private timer: NodeJS.Timeout | undefined;
  private isReading = false;
  /** Why it could not be read, as it was logged. */
  private fault = "";

  constructor(options: FollowedFileOptions) {
    this.options = options;
  }

  /** Resolves once it was read. From then on it is read again, until `end`. */
  async begin(): Promise<void> {
    if (this.options.file === "") return;
    await this.read();
    this.timer = setInterval(() => void this.read(), everyMs);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private async read(): Promise<void> {
    // The disk does not answer.
    if (this.isReading) return;
    this.isReading = true;
    const { read, fault: text, log } = this.options;
    try {
      await read();
      this.fault = "";
    } catch (error) {
      const fault = String(error);
      if (fault !== this.fault) log.error({ err: error }, text);
      this.fault = fault;
    } finally {
      this.isReading = false;
    }
  }
}

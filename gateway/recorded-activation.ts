// Which release the operator has recorded as active. Under systemd nobody runs who would repeat it: a deploy is a command that ends, or is
// killed. A gateway that NATS had lost meanwhile, or that it was never told, reads it here.

import type { Logger } from "pino";
import { loadActivation } from "../process/activation-file.ts";
import { type Activation, heartbeatMs } from "../protocol/membership.ts";

export interface RecordedActivationOptions {
  /** Empty: there is a supervisor, which answers and repeats. */
  readonly file: string;
  readonly log: Pick<Logger, "error">;
  /** Told with each reading. */
  readonly onRead: (activation: Activation) => void;
}

export class RecordedActivation {
  private readonly options: RecordedActivationOptions;
  private timer: NodeJS.Timeout | undefined;
  private isReading = false;
  /** Why it could not be read, as it was logged. */
  private fault = "";

  constructor(options: RecordedActivationOptions) {
    this.options = options;
  }

  /** Resolves once it was read. From then on it is read again with each heartbeat, until the process ends. */
  async begin(): Promise<void> {
    if (this.options.file === "") return;
    await this.read();
    this.timer = setInterval(() => void this.read(), heartbeatMs);
  }

  end(): void {
    clearInterval(this.timer);
  }

  /** What cannot be read is no reason to serve nobody: other gateways may know. */
  private async read(): Promise<void> {
    // The disk does not answer.
    if (this.isReading) return;
    this.isReading = true;
    try {
      const activation = await loadActivation(this.options.file);
      this.fault = "";
      if (activation !== undefined) this.options.onRead(activation);
    } catch (error) {
      const fault = String(error);
      if (fault !== this.fault)
        this.options.log.error({ err: error }, "which release is active could not be read; other gateways will say");
      this.fault = fault;
    } finally {
      this.isReading = false;
    }
  }
}

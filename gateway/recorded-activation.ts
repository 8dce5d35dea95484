// Which release the operator has recorded as active. Under systemd nobody runs who would repeat it: a deploy is a command that ends, or is
// killed. A gateway that NATS had lost meanwhile, or that it was never told, reads it here.

import type { Logger } from "pino";
import { loadActivation } from "../process/activation-file.ts";
import type { Activation } from "../protocol/membership.ts";
import { FollowedFile } from "./followed-file.ts";

export interface RecordedActivationOptions {
  /** Empty: there is a supervisor, which answers and repeats. */
  readonly file: string;
  readonly log: Pick<Logger, "error">;
  /** Told with each reading. */
  readonly onRead: (activation: Activation) => void;
}

export function recordedActivation({ file, log, onRead }: RecordedActivationOptions): FollowedFile {
  return new FollowedFile({
    file,
    log,
    fault: "which release is active could not be read; other gateways will say",
    read: async () => {
      const activation = await loadActivation(file);
      if (activation !== undefined) onRead(activation);
    },
  });
}

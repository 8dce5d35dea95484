// A supervisor's part in NATS, without its processes: what an operator says, and repeats.

import { EventEmitter } from "node:events";
import type { BusSecurity } from "../nats/security.ts";
import { Membership } from "../supervisor/presence.ts";

export interface Operator {
  readonly membership: Membership;
  /** By what it logs: "NATS is gone", "NATS is back". */
  readonly events: EventEmitter;
}

/** @param credentials Its file. Empty: the server wants none. */
export async function joinOperator(natsUrl: string, namespace: string, credentials = ""): Promise<Operator> {
  const natsSecurity: BusSecurity = { NATS_CREDENTIALS_FILE: credentials, NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
  const events = new EventEmitter();
  const membership = await Membership.join({
    ...{ natsUrl, natsSecurity, namespace },
    log: { event: (_level, text) => void events.emit(text) },
    hungAfterMs: Number.POSITIVE_INFINITY,
    onHung: () => undefined,
  });
  return { membership, events };
}

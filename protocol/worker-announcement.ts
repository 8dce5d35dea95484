// What workers announce, on a subject of their own: whoever hears it knows that no gateway and no operator has said it. A release that
// has this file has workers that speak there; those of earlier ones say everything on the subject that all members share.

import { CodedError } from "./errors.ts";
import { type Announcement, decodeAnnouncement, type WorkerHello } from "./membership.ts";

export type WorkerAnnouncement =
  | WorkerHello
  | Extract<Announcement, { kind: "ask" }>
  /** Of a worker, whatever else may have that id. */
  | Extract<Announcement, { kind: "gone" }>;

/**
 * @throws {CodedError} "envelope.version" or "envelope.malformed"; the latter also where a worker may not say it: which release is
 * active is the operator's word, and what a gateway has is the gateway's.
 */
export function decodeWorkerAnnouncement(bytes: Uint8Array): WorkerAnnouncement {
  const announcement = decodeAnnouncement(bytes);
  switch (announcement.kind) {
    case "worker":
    case "ask":
    case "gone":
      return announcement;
    default:
      throw new CodedError("envelope.malformed", `a worker may not announce ${announcement.kind}`);
  }
}

// Other gateways of the installation, which take the clients of one that ends. Pure.

import { type Announcement, silentMs } from "../protocol/membership.ts";

export class PeerGateways {
  private readonly now: () => number;
  /** When each was last heard; those that end are not among them. */
  private readonly heardAt = new Map<string, number>();

  constructor(now: () => number) {
    this.now = now;
  }

  hear(announcement: Announcement): void {
    if (announcement.kind === "gone") this.heardAt.delete(announcement.id);
    if (announcement.kind !== "gateway") return;
    if (announcement.draining === true) this.heardAt.delete(announcement.id);
    else this.heardAt.set(announcement.id, this.now());
  }

  get areThere(): boolean {
    const latest = this.now() - silentMs;
    for (const [id, heardAt] of this.heardAt) if (heardAt < latest) this.heardAt.delete(id);
    return this.heardAt.size > 0;
  }
}

// On which subjects a worker speaks: on those of workers, and where a gateway of 0.2 is there, which does not hear them, on those that
// all share. NATS lets a worker do the latter only as an olderWorker (nats/permissions.ts).

import type { GatewayHello } from "../protocol/membership.ts";
import type { Subjects } from "../protocol/subjects.ts";

export class Speech {
  private readonly subjects: Subjects;
  /** By gateway: where it reads what workers say. Kept, since it is needed for each batch. */
  private readonly links = new Map<string, string>();
  /** Gateways of 0.2. */
  private readonly older = new Set<string>();

  constructor(subjects: Subjects) {
    this.subjects = subjects;
  }

  hear({ id, hearsWorkers }: Pick<GatewayHello, "id" | "hearsWorkers">): void {
    if (hearsWorkers === true || this.older.has(id)) return;
    this.older.add(id);
    this.links.set(id, this.subjects.link(id));
  }

  forget(gateway: string): void {
    this.older.delete(gateway);
    this.links.delete(gateway);
  }

  /** For announcements. */
  get members(): readonly string[] {
    const { membersFromWorkers, members } = this.subjects;
    return this.older.size === 0 ? [membersFromWorkers] : [membersFromWorkers, members];
  }

  /** For batches. */
  readonly link = (gateway: string): string => {
    const known = this.links.get(gateway);
    if (known !== undefined) return known;
    const subject = this.subjects.linkFromWorkers(gateway);
    this.links.set(gateway, subject);
    return subject;
  };
}

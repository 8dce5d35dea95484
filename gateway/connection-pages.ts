// Lists open connections in slices, so that one answer does not hold up the event loop. Pure.

import type { OpenBody } from "../protocol/commands.ts";
import type { StatesBody } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";

/** Of what one answer tells; a connection that takes more than that goes alone. */
const sliceBytes = 64 * 1024;
/** So many slots are looked at for one answer. */
const sliceSlots = 1_000;
/** Those of one answer, and the next one. */
const pageSlots = sliceSlots + 1;

type Slots = ReadonlyArray<Connection | undefined>;

/** What a worker of the release that asks would find of each. */
export function statesFrom(slots: Slots, from: number, release: string): StatesBody {
  const { told, next } = slice(slots, from, ({ path, state: kept }) => {
    const { state, own } = kept.foundBy(release);
    const bytes = path.length + (state?.length ?? 0) + (own?.state?.length ?? 0);
    return { bytes, entry: { path, state, ...(own && { own: { state: own.state } }) } };
  });
  return { states: told, ...(next !== undefined && { next }) };
}

/** Who is there. */
export function openFrom(slots: Slots, from: number): OpenBody {
  const { told, next } = slice(slots, from, openEntry);
  return { open: told, ...(next !== undefined && { next }) };
}

/** The same of some connections, in any order: keeps those of one answer, so that each answer of many takes the time to look at them. */
export class OpenPage {
  private readonly from: number;
  private found: Connection[] = [];

  /** @param from The slot to go on with. */
  constructor(from: number) {
    this.from = from;
  }

  add(connection: Connection): void {
    if (connection.slot < this.from) return;
    this.found.push(connection);
    if (this.found.length === 2 * pageSlots) this.cut();
  }

  body(): OpenBody {
    this.cut();
    const { told, next } = slice(this.found, 0, openEntry);
    const following = next === undefined ? undefined : this.found[next];
    return { open: told, ...(following !== undefined && { next: following.slot }) };
  }

  private cut(): void {
    this.found.sort((a, b) => a.slot - b.slot);
    this.found.length = Math.min(this.found.length, pageSlots);
  }
}

function openEntry({ id, user, path }: Connection): { entry: OpenBody["open"][number]; bytes: number } {
  return { bytes: id.length + path.length + (user?.length ?? 0), entry: { id, path, ...(user !== undefined && { user }) } };
}

/** @returns `next`, the slot to go on with; undefined: that was all. */
function slice<Entry>(
  slots: Slots,
  from: number,
  tell: (connection: Connection) => { entry: Entry; bytes: number },
): { told: Entry[]; next?: number } {
  const told: Entry[] = [];
  let bytes = 0;
  for (let slot = from; slot < slots.length; slot++) {
    if (slot - from >= sliceSlots) return { told, next: slot };
    const connection = slots[slot];
    if (connection?.socket === undefined || connection.intake !== "open") continue;
    const one = tell(connection);
    if (told.length > 0 && bytes + one.bytes > sliceBytes) return { told, next: slot };
    bytes += one.bytes;
    told.push(one.entry);
  }
  return { told };
}

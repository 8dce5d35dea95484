// What open connections keep, told to a worker that has to find out whether it could adopt them: read only, in slices. Pure.

import type { StatesBody } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";

/** Of states and paths in one answer; one that is larger than that goes alone. */
const sliceBytes = 64 * 1024;
/** So many slots are looked at for one answer: others wait meanwhile. */
const sliceSlots = 1_000;

/** @param release The worker's: what that had left is told, too. */
export function statesFrom(slots: ReadonlyArray<Connection | undefined>, from: number, release: string): StatesBody {
  const states: StatesBody["states"] = [];
  let bytes = 0;
  for (let slot = from; slot < slots.length; slot++) {
    if (slot - from >= sliceSlots) return { states, next: slot };
    const connection = slots[slot];
    if (connection?.socket === undefined || connection.isClosing) continue;
    const { path } = connection;
    const { current: state } = connection.state;
    const left = connection.state.leftBy(release);
    const size = path.length + (state?.length ?? 0) + (left?.state?.length ?? 0);
    if (states.length > 0 && bytes + size > sliceBytes) return { states, next: slot };
    bytes += size;
    states.push({ path, state, ...(left && { earlier: { state: left.state, migrated: left.isMigrated } }) });
  }
  return { states };
}

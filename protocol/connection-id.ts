// A connection's id: unique across gateways and restarts, since the gateway's id is and its count never goes back. It also
// tells where to find it.

/**
 * @param gateway has no `-` in it.
 * @param count How many connections it has opened before.
 */
export function connectionId(gateway: string, slot: number, count: number): string {
  return `${gateway}-${slot.toString(36)}-${count.toString(36)}`;
}

/** The gateway that a connection is at; empty where the text is no connection's id. */
export function gatewayOf(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf("-")));
}

/** Where its gateway keeps it; NaN where the text is no connection's id. */
export function slotOf(id: string): number {
  return Number.parseInt(id.split("-")[1] ?? "", 36);
}

/** How many connections its gateway had opened before; NaN where the text is no connection's id. */
export function countOf(id: string): number {
  return Number.parseInt(id.split("-")[2] ?? "", 36);
}

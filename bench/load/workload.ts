// What the connections of a load do once they are open.

export interface Workload {
  begin(): void;
  /** Nothing new is sent. */
  stop(): void;
  /** Messages that should have come by now, and have not. */
  lost(): number;
}

/** Connections that are only there. */
export const idleness: Workload = { begin: () => undefined, stop: () => undefined, lost: () => 0 };

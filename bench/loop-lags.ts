// How late the event loops of gateways ran while something was measured, as their metrics tell it: in buckets, so each figure is the
// upper bound of one.

const name = "thinstate_event_loop_lag_seconds_bucket";
const bucket = new RegExp(`^${name}\\{(?=[^}]*process="gateway")[^}]*le="([^"]+)"[^}]*\\} (\\S+)$`, "gm");

export interface LoopLag {
  readonly p999Ms: number;
  readonly longestMs: number;
}

export class LoopLags {
  private readonly adminPorts: readonly number[];
  private before: ReadonlyMap<number, number> = new Map();

  constructor(adminPorts: readonly number[]) {
    this.adminPorts = adminPorts;
  }

  async begin(): Promise<void> {
    this.before = await this.read();
  }

  /** Since `begin`, of all gateways together. */
  async end(): Promise<LoopLag> {
    const after = await this.read();
    const counts = [...after].map(([boundMs, count]) => ({ boundMs, count: count - (this.before.get(boundMs) ?? 0) }));
    return lagOf(counts);
  }

  /** By upper bound in milliseconds: how many were not longer. */
  private async read(): Promise<Map<number, number>> {
    const counts = new Map<number, number>();
    for (const port of this.adminPorts) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      for (const [boundMs, count] of bucketsIn(text)) counts.set(boundMs, (counts.get(boundMs) ?? 0) + count);
    }
    return counts;
  }
}

/** In the text format of Prometheus: upper bounds in milliseconds, and how many were not longer. */
export function bucketsIn(text: string): Array<readonly [number, number]> {
  return [...text.matchAll(bucket)].map(([, bound, count]) => [bound === "+Inf" ? Infinity : Number(bound) * 1000, Number(count)] as const);
}

/** @param counts By growing bound: how many were not longer. */
export function lagOf(counts: ReadonlyArray<{ readonly boundMs: number; readonly count: number }>): LoopLag {
  const all = counts.at(-1)?.count ?? 0;
  const bound = (share: number) => counts.find(({ count }) => count >= share * all)?.boundMs ?? 0;
  return { p999Ms: bound(0.999), longestMs: bound(1) };
}

// Locks as gateways keep them, in memory, by the test's clock: see gateway/locks/locks.ts.

interface Claim {
  readonly connection: string;
  fence: number | undefined;
  isKept: boolean;
  until: number;
  readonly answers: Array<(fence: number | undefined) => void>;
}

export class TestLocks {
  /** By name: the first one has it. */
  private readonly lines = new Map<string, Claim[]>();
  private lastFence = 0;

  /** @returns the fence; undefined: others have it, also after that time. */
  take(connection: string, name: string, until: number, now: number): Promise<number | undefined> {
    const line = this.lines.get(name) ?? [];
    const own = line.find((claim) => claim.connection === connection);
    if (own?.fence !== undefined) return Promise.resolve(own.fence);
    if (own === undefined && line.length > 0 && until <= now) return Promise.resolve(undefined);
    const claim = own ?? { connection, fence: undefined, isKept: false, until, answers: [] };
    claim.until = Math.max(claim.until, until);
    if (own === undefined) this.lines.set(name, [...line, claim]);
    const answer = new Promise<number | undefined>((resolve) => claim.answers.push(resolve));
    this.pass(name);
    return answer;
  }

  keep(connection: string, name: string): void {
    for (const claim of this.lines.get(name) ?? []) claim.isKept ||= claim.connection === connection;
  }

  release(connection: string, name: string): void {
    this.remove(name, (claim) => claim.connection === connection);
  }

  /** A turn of the connection has ended: what it has not kept is given back. */
  committed(connection: string): void {
    for (const name of [...this.lines.keys()]) this.remove(name, (claim) => claim.connection === connection && !claim.isKept);
  }

  ended(connection: string): void {
    for (const name of [...this.lines.keys()]) this.release(connection, name);
  }

  /** Time has passed. */
  sweep(now: number): void {
    for (const name of [...this.lines.keys()]) this.remove(name, ({ fence, until }) => fence === undefined && until <= now);
  }

  private remove(name: string, isMeant: (claim: Claim) => boolean): void {
    const line = this.lines.get(name) ?? [];
    for (const claim of line.filter(isMeant)) tell(claim, undefined);
    const left = line.filter((claim) => !isMeant(claim));
    if (left.length === 0) this.lines.delete(name);
    else this.lines.set(name, left);
    this.pass(name);
  }

  private pass(name: string): void {
    const [first] = this.lines.get(name) ?? [];
    if (first === undefined) return;
    first.fence ??= ++this.lastFence;
    tell(first, first.fence);
  }
}

function tell({ answers }: Claim, fence: number | undefined): void {
  for (const answer of answers.splice(0)) answer(fence);
}

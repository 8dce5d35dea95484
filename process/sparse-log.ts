// A log that nobody can fill: of each kind of line it writes the first few of a minute, and then how many it has left out.

const minuteMs = 60_000;
/** Of one kind, in a minute. */
const mostLines = 5;

/** A log, as pino has it: what it is about, then its text. */
interface Target {
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** What a kind has in common, besides its text: a code, a route. From a set that clients cannot make larger. */
export type Kind = Readonly<Record<string, string>>;

interface Recent {
  readonly level: "warn" | "error";
  readonly kind: Kind;
  readonly text: string;
  readonly since: number;
  lines: number;
}

export class SparseLog {
  private readonly log: Target;
  private readonly now: () => number;
  private readonly recent = new Map<string, Recent>();

  /** @param now in milliseconds */
  constructor(log: Target, now: () => number) {
    this.log = log;
    this.now = now;
  }

  warn(kind: Kind, about: object, text: string): void {
    this.say("warn", kind, about, text);
  }

  error(kind: Kind, about: object, text: string): void {
    this.say("error", kind, about, text);
  }

  /** To be called every few seconds at least: tells what was left out in the minutes that are over. */
  sweep(): void {
    const latest = this.now() - minuteMs;
    for (const [key, recent] of this.recent) if (recent.since <= latest) this.close(key, recent);
  }

  /** Tells what was left out so far. */
  end(): void {
    for (const [key, recent] of this.recent) this.close(key, recent);
  }

  private say(level: Recent["level"], kind: Kind, about: object, text: string): void {
    let key = text;
    for (const name in kind) key += `\n${kind[name]}`;
    const recent = this.recent.get(key);
    if (recent === undefined) this.recent.set(key, { level, kind, text, since: this.now(), lines: 1 });
    else if (++recent.lines > mostLines) return;
    this.log[level]({ ...kind, ...about }, text);
  }

  private close(key: string, { level, kind, text, since, lines }: Recent): void {
    this.recent.delete(key);
    const leftOut = lines - mostLines;
    if (leftOut > 0) this.log[level]({ ...kind, leftOut, seconds: Math.round((this.now() - since) / 1_000) }, `${text} (lines left out)`);
  }
}

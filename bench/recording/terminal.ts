// What a program writes to a terminal, as rows that change: as much of a terminal as our commands use. Pure.

export type Colour = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";

/** Text of one look. */
export interface Span {
  readonly text: string;
  readonly colour: Colour | undefined;
}

/** What a row showed from a moment on. */
export interface Version {
  readonly atMs: number;
  readonly spans: readonly Span[];
}

/** SGR parameters, as scripts/setup/progress.mjs writes them. Source: ECMA-48, 8.3.117. */
const colours: Readonly<Record<string, Colour>> = { 1: "bold", 2: "dim", 31: "red", 32: "green", 33: "yellow", 36: "cyan" };
/** A control sequence, a control character, or text. Source: ECMA-48, 5.4. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const tokens = /\x1b\[([\d;?]*)([A-Za-z])|[\r\n]|[^\x1b\r\n]+/g;

/** Under the text of a step, which begins with a mark and a blank. */
const hangingIndent = "  ";

export class Terminal {
  private readonly rows: Version[][] = [[]];
  private row: Span[] = [];
  private colour: Colour | undefined;

  /** @param text whole control sequences only. */
  write(text: string, atMs: number): void {
    for (const [token, parameters = "", final] of text.matchAll(tokens)) {
      if (final === "m") this.colour = colours[parameters];
      else if (final === "K") this.row = [];
      else if (token === "\n") this.endRow(atMs);
      // Whoever returns to the start of the row clears it next.
      else if (final === undefined && token !== "\r") this.row.push({ text: token, colour: this.colour });
    }
    this.keep(atMs);
  }

  /** Each row's versions, cut into rows of so many columns, between words if possible; empty rows at the end are left out. */
  wrapped(columns: number): readonly (readonly Version[])[] {
    const written = this.rows.filter((versions, index) => versions.length > 0 || index < this.rows.length - 1);
    return written.flatMap((versions) => {
      const cut = versions.map(({ atMs, spans }) => cutSpans(spans, columns).map((part) => ({ atMs, spans: part })));
      const height = Math.max(1, ...cut.map((parts) => parts.length));
      const row = (index: number) => versions.map(({ atMs }, at) => cut[at]?.[index] ?? { atMs, spans: [] });
      return Array.from({ length: height }, (_, index) => withoutRepeats(row(index)));
    });
  }

  private endRow(atMs: number): void {
    this.keep(atMs);
    this.rows.push([]);
    this.row = [];
  }

  private keep(atMs: number): void {
    const versions = this.rows.at(-1);
    if (versions === undefined || this.row.length === 0) return;
    const last = versions.at(-1);
    if (last !== undefined && likeness(last.spans) === likeness(this.row)) return;
    versions.push({ atMs, spans: [...this.row] });
  }
}

/** Rows that differ in no more than a spinner and tenths of a second would make a picture of hundreds of frames. */
function likeness(spans: readonly Span[]): string {
  return spans
    .map(({ text }) => text)
    .join("")
    .replaceAll(/[⠀-⣿]/g, "⠿")
    .replaceAll(/(\d+)\.\d s\b/g, "$1 s");
}

/** The rest of a row that was cut changes less often than the row; nothing is there at first. */
function withoutRepeats(versions: readonly Version[]): Version[] {
  const texts = versions.map(({ spans }) => JSON.stringify(spans));
  return versions.filter(({ spans }, index) => (index === 0 ? spans.length > 0 : texts[index] !== texts[index - 1]));
}

/** A terminal would cut words; people read this one. What follows on the next row stands under the text, not under its mark. */
function cutSpans(spans: readonly Span[], columns: number): Span[][] {
  const characters = spans.flatMap(({ text, colour }) => [...text].map((character) => ({ text: character, colour })));
  const isMarked = spans.length > 1 && [...(spans[0]?.text ?? "")].length === 1;
  const indent = isMarked ? [...hangingIndent].map((text) => ({ text, colour: undefined })) : [];
  const rows: Span[][] = [];
  while (rows.length === 0 || characters.length > 0) {
    const head = rows.length === 0 ? [] : indent;
    const room = columns - head.length;
    const blank = characters.length <= room ? -1 : characters.slice(0, room + 1).findLastIndex(({ text }) => text === " ");
    const row = characters.splice(0, blank > 0 ? blank : room);
    if (blank > 0) characters.shift();
    rows.push(joined([...head, ...row]));
  }
  return rows;
}

/** Neighbours of one colour as one. */
function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (last !== undefined && last.colour === span.colour) all[all.length - 1] = { ...last, text: last.text + span.text };
    else all.push(span);
  }
  return all;
}

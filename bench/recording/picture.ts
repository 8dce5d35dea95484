// A recording as an animated SVG: the clients as dots, which change colour with the release that answers them, their tally, and the
// terminal below. Pure. The picture is complete without animation, too: that is its last moment. It has a card of its own, so that
// it reads alike on light and on dark pages, and no more columns than a phone can show.

import type { Tally } from "./crowd.ts";
import type { Colour, Span, Version } from "./terminal.ts";

export interface Recording {
  readonly pauseMs: number;
  readonly lengthMs: number;
  /** When the new release answered each client for the first time. */
  readonly movedAtMs: readonly number[];
  readonly tallies: readonly (Tally & { readonly atMs: number })[];
  readonly rows: readonly (readonly Version[])[];
}

const width = 640;
const margin = 28;
const fontSize = 15;
const characterWidth = 9;
const rowHeight = 22;
const dotsPerRow = 30;
const dotStep = (width - 2 * margin) / dotsPerRow;
const dotsTop = 76;
/** Dots that change within it do so together. */
const dotBucketMs = 20;

const ink = "#e6edf3";
const faint = "#9da7b3";
const oldColour = "#4c8dff";
const newColour = "#3fb950";
const colours: Readonly<Record<Colour, string>> = {
  red: "#ff7b72",
  green: newColour,
  yellow: "#e3b341",
  cyan: "#76e3ea",
  dim: faint,
  bold: "#ffffff",
};

/** Elements that are seen for a part of the time, and the style sheet for all of them. */
class Animation {
  private readonly names = new Map<string, string>();
  private readonly lengthMs: number;

  constructor(lengthMs: number) {
    this.lengthMs = lengthMs;
  }

  /** @returns attributes of an element that is seen from one moment until another; undefined: until the end. */
  shown(fromMs: number, untilMs?: number): string {
    const [from, until] = [this.percent(fromMs), untilMs === undefined ? undefined : this.percent(untilMs)];
    const frames = `0%{opacity:0}${from}{opacity:1}${until === undefined ? "" : `${until}{opacity:0}`}`;
    const name = this.names.get(frames) ?? `a${this.names.size}`;
    this.names.set(frames, name);
    return `class="t" style="animation-name:${name}"${until === undefined ? "" : ' opacity="0"'}`;
  }

  get styles(): string {
    const frames = [...this.names].map(([text, name]) => `@keyframes ${name}{${text}}`);
    return [
      `.t{animation-duration:${this.lengthMs}ms;animation-timing-function:step-end;animation-iteration-count:infinite}`,
      "@media (prefers-reduced-motion:reduce){.t{animation:none}}",
      ...frames,
    ].join("\n");
  }

  private percent(ms: number): string {
    return `${Number(Math.max(0.01, (100 * ms) / this.lengthMs).toFixed(2))}%`;
  }
}

/** @returns the text of an SVG file. */
export function pictureOf(recording: Recording): string {
  const { movedAtMs, rows, lengthMs } = recording;
  const animation = new Animation(lengthMs);
  const dotsHeight = Math.ceil(movedAtMs.length / dotsPerRow) * dotStep;
  const tallyTop = dotsTop + dotsHeight + 22;
  const terminalTop = Math.round(tallyTop + 30);
  const height = terminalTop + rows.length * rowHeight + margin;
  const drawn = [
    ...legend(recording),
    ...movedAtMs.map((ms, index) => dot(index, ms, animation)),
    ...tallies(recording, tallyTop, animation),
    `<path d="M0 ${tallyTop + 14}H${width}" stroke="#30363d"/>`,
    ...rows.flatMap((versions, index) => terminalRow(versions, terminalTop + (index + 1) * rowHeight, animation)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${Math.ceil(height)}" role="img" aria-labelledby="title desc" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace" font-size="${fontSize}" fill="${ink}">
<title id="title">A deploy under ${movedAtMs.length} connected clients</title>
<desc id="desc">${escaped(described(recording))}</desc>
<style>
${animation.styles}
</style>
<rect x=".5" y=".5" width="${width - 1}" height="${Math.ceil(height) - 1}" rx="10" fill="#0d1117" stroke="#30363d"/>
${drawn.join("\n")}
</svg>
`;
}

function described({ movedAtMs, tallies, rows }: Recording): string {
  const last = tallies.at(-1);
  const text = rows.map((versions) => (versions.at(-1)?.spans ?? []).map((span) => span.text).join("")).join(" ");
  return `${movedAtMs.length} clients move from the old code to the new one. ${last === undefined ? "" : tallyText(last)}. ${text}`;
}

function legend({ movedAtMs, pauseMs }: Recording): string[] {
  const right = width - margin;
  return [
    `<text x="${margin}" y="36" font-weight="bold">${movedAtMs.length} connected clients</text>`,
    `<text x="${margin}" y="59" fill="${faint}" font-size="14">each sends a message every ${pauseMs} ms; long waits are shortened</text>`,
    `<circle cx="${right - 214}" cy="31" r="6" fill="${oldColour}"/><text x="${right - 202}" y="36" font-size="14">old code</text>`,
    `<circle cx="${right - 92}" cy="31" r="6" fill="${newColour}"/><text x="${right - 80}" y="36" font-size="14">new code</text>`,
  ];
}

function dot(index: number, movedAtMs: number, animation: Animation): string {
  const x = (margin + dotStep * ((index % dotsPerRow) + 0.5)).toFixed(1);
  const y = (dotsTop + dotStep * (Math.floor(index / dotsPerRow) + 0.5)).toFixed(1);
  const circle = (fill: string, attributes = "") => `<circle cx="${x}" cy="${y}" r="6.5" fill="${fill}"${attributes}/>`;
  const moved = Math.round(movedAtMs / dotBucketMs) * dotBucketMs;
  return circle(oldColour) + circle(newColour, ` ${animation.shown(moved)}`);
}

function tallies({ tallies: all }: Recording, y: number, animation: Animation): string[] {
  return all.map((tally, index) => {
    const until = all[index + 1]?.atMs;
    const isWell = tally.wrong === 0 && tally.disconnected === 0;
    return `<text x="${margin}" y="${y}" font-size="14" fill="${isWell ? ink : colours.red}" ${animation.shown(tally.atMs, until)}>${tallyText(tally)}</text>`;
  });
}

function tallyText({ answered, wrong, disconnected }: Tally): string {
  return `${answered.toLocaleString("en")} answers · ${wrong} lost, repeated or out of order · ${disconnected} disconnected`;
}

function terminalRow(versions: readonly Version[], y: number, animation: Animation): string[] {
  return versions.map(({ atMs, spans }, index) => {
    let column = 0;
    const drawn = spans.map((span) => {
      const text = drawSpan(span, column);
      column += [...span.text].length;
      return text;
    });
    return `<text y="${y}" xml:space="preserve" ${animation.shown(atMs, versions[index + 1]?.atMs)}>${drawn.join("")}</text>`;
  });
}

/** Held to its columns, whatever the font. */
function drawSpan({ text, colour }: Span, column: number): string {
  const length = ([...text].length * characterWidth).toFixed(1);
  const fill = colour === undefined ? "" : ` fill="${colours[colour]}"`;
  const x = (margin + column * characterWidth).toFixed(1);
  return `<tspan x="${x}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${fill}>${escaped(text)}</tspan>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// Results as a picture for the README: a bar for each figure, thinstate's as a share of the bare server's, its goal marked.
// It stands on a card of its own, dark where the page is, so that it can be read wherever it is shown.

import { ratioText, spreadText } from "./cells.ts";
import type { FigureResult, RowResult } from "./comparison.ts";
import type { Spread } from "./ratio.ts";

interface Bar {
  readonly title: string;
  /** The median; what it is at least, where the load flatters it. */
  readonly length: number;
  readonly label: string;
  /** null where it says nothing. */
  readonly spread: Spread | null;
  /** As a ratio; undefined where there is none. */
  readonly goal: number | undefined;
}

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** What shares a scale. */
interface Panel {
  readonly title: string;
  readonly groups: readonly Group[];
}

const width = 880;
const margin = 24;
const barsLeft = 150;
const barsWidth = 560;
const barHeight = 14;
/** From one to the next. */
const barStep = 22;
const groupStep = 26;
const panelStep = 44;
const headHeight = 62;
const ink = "#323f4b";
const faint = "#52606d";
const green = "#2f8f5b";
const grey = "#d3d9e0";
const mark = "#b45309";
const card = "#f7f9fb";
/** On a dark page. */
const inTheDark: Readonly<Record<string, string>> = {
  [card]: "#161b22",
  [ink]: "#e6edf3",
  [faint]: "#9da7b3",
  [green]: "#3fb950",
  [grey]: "#3d444d",
  [mark]: "#f0883e",
};

/** @returns the text of an SVG file. */
export function chartOf(results: readonly RowResult[]): string {
  const panels = [
    panelOf("Rates, as a share of the bare server's: more is better", results, "more"),
    panelOf(`${timeTitle(results)}, as a multiple of the bare server's: less is better`, results, "less"),
  ].filter(({ groups }) => groups.length > 0);
  let top = headHeight;
  const drawn = panels.map((panel) => {
    const { text, height } = drawPanel(panel, top);
    top += height;
    return text;
  });
  const height = top + margin / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title desc" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="13">
  <title id="title">thinstate compared with a bare uWebSockets.js server</title>
  <desc id="desc">${escaped(panels.map(described).join(" "))}</desc>
${styles()}
  <rect width="${width}" height="${height}" rx="10" fill="${card}"/>
${legend(panels)}
${drawn.join("\n")}
</svg>
`;
}

/** Style sheets go before attributes: where they are not understood, the light colours stay. */
function styles(): string {
  const rules = Object.entries(inTheDark).map(([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`);
  return `  <style>@media (prefers-color-scheme:dark){${rules.join("")}}</style>`;
}

/** Memory that has no ratio is not drawn. */
function timeTitle(results: readonly RowResult[]): string {
  const hasMemory = results.some(({ figures }) => figures.some((figure) => figure.unit === "bytes" && barsOf(figure).length > 0));
  return hasMemory ? "Latency and memory" : "Latency";
}

function panelOf(title: string, results: readonly RowResult[], better: FigureResult["better"]): Panel {
  const groups = results.map((result) => ({
    title: result.title,
    bars: result.figures.flatMap((figure) => (figure.better === better ? barsOf(figure) : [])),
  }));
  return { title, groups: groups.filter(({ bars }) => bars.length > 0) };
}

/** Processor time is for the table: it explains a rate. */
function barsOf({ title, unit, ratio, ratioAtLeast, goal, reference }: FigureResult): Bar[] {
  if (ratio === null || reference === null || unit === "µs") return [];
  const bound = goal?.of === "ratio" ? goal.bound : goal?.of === "value" ? goal.bound / reference.value.median : undefined;
  if (ratioAtLeast !== null) return [{ title, length: ratioAtLeast, label: `≥ ${ratioText(ratioAtLeast)}`, spread: null, goal: bound }];
  return [{ title, length: ratio.median, label: ratioText(ratio.median), spread: ratio.least === ratio.most ? null : ratio, goal: bound }];
}

function drawPanel({ title, groups }: Panel, top: number): { text: string; height: number } {
  const bars = groups.flatMap((group) => group.bars);
  const scale = barsWidth / Math.max(1, ...bars.map(endOf));
  let at = top + 18;
  const lines = [text(margin, at, title, { size: 14, weight: 600 })];
  for (const group of groups) {
    at += groupStep;
    lines.push(text(margin, at, group.title, { fill: faint }));
    for (const bar of group.bars) {
      at += bar === group.bars[0] ? barHeight / 2 : barStep;
      lines.push(drawBar(bar, at, scale));
    }
    at += barHeight;
  }
  return { text: lines.join("\n"), height: at - top + panelStep / 2 };
}

/** @param scale Pixels of 1, which is where the bare server is. */
function drawBar(bar: Bar, top: number, scale: number): string {
  const { title, length, label, spread, goal } = bar;
  const middle = top + barHeight / 2;
  const x = (value: number) => round(barsLeft + value * scale);
  const end = x(Math.max(1, endOf(bar))) + 8;
  return [
    text(barsLeft - 10, middle + 4, title, { anchor: "end" }),
    rect(barsLeft, top, round(scale), barHeight, grey),
    rect(barsLeft, top + 2, round(length * scale), barHeight - 4, green),
    ...(spread === null ? [] : [`  <path d="M${x(spread.least)} ${middle}H${x(spread.most)}" stroke="${ink}" stroke-width="1.5"/>`]),
    ...(goal === undefined ? [] : [`  <path d="M${x(goal)} ${top - 3}v${barHeight + 6}" stroke="${mark}" stroke-width="2.5"/>`]),
    text(end, middle + 4, label, { weight: 600 }),
  ].join("\n");
}

/** Where everything that is drawn of it ends. */
function endOf({ length, spread, goal }: Bar): number {
  return Math.max(length, spread?.most ?? 0, goal ?? 0);
}

function legend(panels: readonly Panel[]): string {
  const y = 30;
  const hasBound = panels.some(({ groups }) => groups.some(({ bars }) => bars.some(({ label }) => label.startsWith("≥"))));
  return [
    rect(margin, y - 9, 22, 10, green),
    text(margin + 30, y, "thinstate"),
    rect(margin + 120, y - 11, 22, barHeight, grey),
    text(margin + 150, y, "bare uWebSockets.js"),
    `  <path d="M${margin + 302} ${y - 14}v20" stroke="${mark}" stroke-width="2.5"/>`,
    text(margin + 311, y, "goal"),
    `  <path d="M${margin + 368} ${y - 4}h22" stroke="${ink}" stroke-width="1.5"/>`,
    text(margin + 398, y, "lowest to highest run"),
    ...(hasBound ? [text(margin + 562, y, "≥  at least: the load held bare back")] : []),
  ].join("\n");
}

interface TextStyle {
  readonly fill?: string;
  readonly size?: number;
  readonly weight?: number;
  readonly anchor?: "end";
}

function text(x: number, y: number, content: string, { fill = ink, size, weight, anchor }: TextStyle = {}): string {
  const attributes = Object.entries({ x, y, fill, "font-size": size, "font-weight": weight, "text-anchor": anchor });
  const given = attributes.flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`]));
  return `  <text ${given.join(" ")}>${escaped(content)}</text>`;
}

function rect(x: number, y: number, width_: number, height: number, fill: string): string {
  return `  <rect x="${x}" y="${y}" width="${width_}" height="${height}" rx="2" fill="${fill}"/>`;
}

function described({ title, groups }: Panel): string {
  const bars = groups.flatMap((group) =>
    group.bars.map((bar) => `${group.title}, ${bar.title}: ${bar.spread === null ? bar.label : spreadText(bar.spread)}`),
  );
  return `${title}. ${bars.join("; ")}.`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

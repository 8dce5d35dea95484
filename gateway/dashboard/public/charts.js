// The two charts, of the last two minutes. uPlot draws on a canvas; what is drawn stands as text in the legend above it.

import { byId, clock, count, element } from "./dom.js";
import { colourOf, inOrder, meet } from "./releases.js";

const windowSeconds = 120;
/** A longer pause between two samples is a gap: nobody knows what was then. */
const gapMs = 3_500;
const axisWidth = 44;
const rightPadding = 8;
const timeWidth = 52;

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A chart that is made anew when its series, its colours or its width change. */
class Chart {
  /** @param isStacked Each series is an area that stands on the one before; else lines. */
  constructor(id, { isStacked }) {
    this.place = byId(`${id}-chart`);
    this.legend = byId(`${id}-legend`);
    this.isStacked = isStacked;
    this.key = "";
    this.series = [];
    this.columns = [[]];
    this.marks = [];
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.make());
  }

  size() {
    return { width: this.place.clientWidth, height: this.place.clientHeight };
  }

  /**
   * @param series {label, variable, dot, values}: values one for each time, null where there was none
   * @param times seconds since 1970
   * @param marks {time, text}: vertical lines
   */
  show(series, times, marks) {
    this.series = series;
    this.marks = marks;
    this.columns = [times, ...(this.isStacked ? stacked(series) : series.map(({ values }) => values))];
    const key = series.map(({ label }) => label).join("\n");
    if (this.plot !== undefined && key === this.key) {
      this.plot.batch(() => {
        this.plot.setData(this.columns, false);
        this.plot.setScale("x", this.range());
        this.plot.setScale("y", this.heights());
      });
    } else {
      this.key = key;
      this.make();
    }
    this.tell();
  }

  range() {
    const max = this.columns[0].at(-1) ?? Date.now() / 1000;
    return { min: max - windowSeconds, max };
  }

  heights() {
    let most = 0;
    for (const column of this.columns.slice(1)) for (const value of column) if (value > most) most = value;
    return { min: 0, max: niceMost(most) };
  }

  make() {
    this.plot?.destroy();
    this.plot = undefined;
    // Before the first deploy nobody has connections.
    if (this.key === "") return;
    const soft = style("--soft");
    const axis = { stroke: soft, font: `11px ${style("--sans")}`, ticks: { show: false } };
    const grid = { stroke: style("--grid"), width: 1 };
    const options = {
      ...this.size(),
      padding: [10, rightPadding, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !this.isStacked, size: 6 } },
      scales: { x: { ...this.range(), auto: false }, y: { ...this.heights(), auto: false } },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 24,
          gap: 6,
          splits: () => this.times(),
          values: (_, times) => times.map((time) => this.timeText(time)),
        },
        { ...axis, grid, size: axisWidth, gap: 6, splits: () => this.levels(), values: (_, values) => values.map(count) },
      ],
      series: [{}, ...this.lines()],
      bands: this.isStacked ? this.series.slice(1).map((_, index) => ({ series: [index + 2, index + 1] })) : [],
      hooks: { draw: [(plot) => this.drawMarks(plot)], setCursor: [() => this.tell()] },
    };
    this.plot = new uPlot(options, this.columns, this.place);
  }

  lines() {
    const line = ({ variable }) => ({ stroke: style(variable), width: 1.75, points: { show: false } });
    const area = ({ variable }) => ({ fill: `${style(variable)}66`, width: 0, points: { show: false } });
    return this.isStacked ? [...this.series.map(area), ...this.series.map(line)] : this.series.map(line);
  }

  /** Every half minute. */
  times() {
    const { min, max } = this.range();
    const first = Math.ceil(min / 30) * 30;
    return Array.from({ length: Math.floor((max - first) / 30) + 1 }, (_, index) => first + index * 30);
  }

  /** None where the chart's edge would cut it off. */
  timeText(time) {
    const room = ((this.range().max - time) / windowSeconds) * (this.place.clientWidth - axisWidth);
    return room < timeWidth / 2 - rightPadding ? "" : clock(time * 1000);
  }

  levels() {
    const { max } = this.heights();
    const parts = this.place.clientHeight > 160 ? 4 : 2;
    return Array.from({ length: parts + 1 }, (_, index) => (max * index) / parts);
  }

  drawMarks(plot) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = style("--text");
    ctx.lineWidth = ratio;
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    ctx.font = `${11 * ratio}px ${style("--sans")}`;
    ctx.textBaseline = "top";
    const places = this.marks.map(({ time, text }) => ({ x: Math.round(plot.valToPos(time, "x", true)) + 0.5, text }));
    for (const [index, { x, text }] of places.entries()) {
      if (x < bbox.left) continue;
      ctx.globalAlpha = 0.5;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      // Of two that are close the later one has its text.
      if (!this.isStacked || places[index + 1]?.x - x < 90 * ratio) continue;
      ctx.globalAlpha = 0.9;
      const isRight = x > bbox.left + bbox.width - 90 * ratio;
      ctx.textAlign = isRight ? "right" : "left";
      ctx.fillText(text, x + (isRight ? -5 : 5) * ratio, bbox.top + 2 * ratio);
    }
    ctx.restore();
  }

  /** The legend: what is under the pointer, else the latest. */
  tell() {
    const index = this.plot?.cursor.idx ?? this.columns[0].length - 1;
    const at = this.columns[0][index];
    const isPast = this.plot?.cursor.idx != null && at !== undefined;
    const rows = this.series.map(({ label, dot, values }) => {
      const value = values[index];
      return element("li", element(`span.dot.${dot}`), element("span", label), element("b", value == null ? "–" : count(value)));
    });
    if (isPast) rows.push(element("li", clock(at * 1000)));
    this.legend.replaceChildren(...rows);
  }
}

/** The next of these, times a power of ten: a quarter of each is a whole number. */
function niceMost(value) {
  for (let unit = 1; ; unit *= 10) {
    for (const step of [4, 8, 12, 16, 20, 24, 32]) if (step * unit >= value * 1.05) return step * unit;
  }
}

/** Of areas that stand on each other their upper edges; and the same again for lines, only where there is an area below. */
function stacked(series) {
  const heights = [];
  const edges = series.map(({ values }) =>
    values.map((value, index) => {
      if (value === null) return null;
      heights[index] = (heights[index] ?? 0) + value;
      return heights[index];
    }),
  );
  const isThere = (values, index) => values[index] > 0 || values[index - 1] > 0 || values[index + 1] > 0;
  const lines = edges.map((edge, number) => edge.map((height, index) => (isThere(series[number].values, index) ? height : null)));
  return [...edges, ...lines];
}

const connections = new Chart("connections", { isStacked: true });
const messages = new Chart("messages", { isStacked: false });

/** @param samples as the stream has them, the oldest first */
export function drawCharts(samples) {
  const points = withGaps(samples);
  const times = points.map(({ at }) => at / 1000);
  const names = new Set(samples.flatMap(({ releases, release }) => [...Object.keys(releases), ...(release === null ? [] : [release])]));
  meet(names);
  const marks = activations(samples);
  const ofReleases = inOrder(names).map((name) => ({
    label: name,
    variable: `--release-${colourOf(name)}`,
    dot: `c${colourOf(name)}`,
    values: points.map(({ releases }) => (releases === undefined ? null : (releases[name] ?? 0))),
  }));
  const hasWaiting = samples.some(({ waiting }) => waiting > 0);
  const waiting = { label: "no worker", variable: "--soft", dot: "none", values: points.map(({ waiting: number }) => number ?? null) };
  connections.show(hasWaiting ? [...ofReleases, waiting] : ofReleases, times, marks);
  messages.show(
    [
      { label: "from clients", variable: "--in", dot: "in", values: points.map(({ inPerSecond }) => inPerSecond ?? null) },
      { label: "to clients", variable: "--out", dot: "out", values: points.map(({ outPerSecond }) => outPerSecond ?? null) },
    ],
    times,
    marks,
  );
}

/** Between two samples that are far apart comes one that has only its time. */
function withGaps(samples) {
  return samples.flatMap((sample, index) => {
    const before = samples[index - 1];
    return before !== undefined && sample.at - before.at > gapMs ? [{ at: sample.at - 1 }, sample] : [sample];
  });
}

/** When another release became active. A release that was active before, in what is shown, has come back. */
function activations(samples) {
  const seen = new Set();
  return samples.flatMap(({ at, release }, index) => {
    const before = samples[index - 1]?.release;
    const isBack = seen.has(release);
    seen.add(release);
    if (index === 0 || release === null || release === before) return [];
    return [{ time: at / 1000, text: isBack ? "rolled back" : "activated" }];
  });
}

// The chart of the latest ticks, in the colours of the page. uPlot draws it: a script of its own, which comes before.

/** As long as 300 ticks take. */
const shownSeconds = 75;
const height = 300;

export class TickChart {
  constructor(home) {
    // Asked for with each drawing: the page may turn dark meanwhile.
    const colour = (name) => () => getComputedStyle(home).getPropertyValue(name);
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    this.mark = colour("--warn");
    this.takeovers = [];
    this.plot = new globalThis.uPlot(
      {
        width: home.clientWidth,
        height,
        scales: { x: { range: (_plot, _from, to) => [to - shownSeconds, to] } },
        axes: [
          { ...axis, space: 80, values: (_plot, seconds) => seconds.map(timeText) },
          { ...axis, size: 60 },
        ],
        series: [{}, { stroke: colour("--accent"), width: 2, points: { show: false } }],
        legend: { show: false },
        cursor: { show: false },
        hooks: { draw: [() => this.drawTakeovers()] },
      },
      [[], []],
      home,
    );
    new ResizeObserver(() => this.plot.setSize({ width: home.clientWidth, height })).observe(home);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot.redraw());
  }

  /** @param {readonly import("./tick-log.js").Tick[]} ticks By time. */
  show(ticks) {
    const seconds = ticks.map(({ at }) => at / 1000);
    this.takeovers = seconds.filter((_, index) => index > 0 && ticks[index].worker !== ticks[index - 1].worker);
    this.plot.setData([seconds, ticks.map(({ price }) => price)]);
  }

  /** A dashed line where another worker has gone on. */
  drawTakeovers() {
    const { ctx, bbox } = this.plot;
    ctx.save();
    ctx.strokeStyle = this.mark();
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const at of this.takeovers) {
      const x = this.plot.valToPos(at, "x", true);
      if (x < bbox.left) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
}

function timeText(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en", { hourCycle: "h23" });
}

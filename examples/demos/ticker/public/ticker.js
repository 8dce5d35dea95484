// The page of the ticker: a chart of the latest ticks, what was missed or doubled, and who makes the ticks.

import { connect } from "/site/demo.js";
import { TickChart } from "./tick-chart.js";
import { TickLog } from "./tick-log.js";

const log = new TickLog();
const chart = new TickChart(document.getElementById("chart"));
let isDue = false;

connect("", {
  onOpen: () => log.reconnected(),
  onMessage(message) {
    if (message.n === undefined) return;
    log.add(message);
    showSoon();
  },
});

/** Once a frame: on a new connection 300 ticks come at once. */
function showSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(show);
}

function show() {
  isDue = false;
  const { newest, ticks, missed, doubled } = log;
  if (newest === undefined) return;
  chart.show(ticks);
  const texts = {
    price: newest.price.toFixed(2),
    number: newest.n.toLocaleString("en"),
    missed: String(missed),
    doubled: String(doubled),
    faults: missed + doubled === 0 ? "" : `${missed} missed, ${doubled} doubled`,
    producer: `worker ${newest.worker} of release ${newest.release}`,
  };
  for (const [id, text] of Object.entries(texts)) {
    const element = document.getElementById(id);
    // What has not changed is left alone: faults would be read out again.
    if (element.textContent !== text) element.textContent = text;
  }
}

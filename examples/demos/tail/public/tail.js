// Asks the server for more lines when it has drawn those that it got: so a tab that cannot keep up, is hidden or paused gets fewer, and the
// server drops what is too far behind, and says how much.

import { connect } from "/site/demo.js";
import { LineView } from "./line-view.js";

/** Screens may draw 240 times a second; this is often enough to look smooth, and a turn of the server each. */
const leastMs = 30;

const element = (id) => document.getElementById(id);
const totals = { received: 0, dropped: 0, isMore: false };
let isPaused = false;
/** Came while the page was paused: one piece at most, since it is not asked for more. */
let waiting;
let askedAt = 0;
/** How often it has connected: what came over another connection asks for nothing more. */
let connection = 0;
let countedAt = performance.now();
let countedReceived = 0;

const view = new LineView(element("log"), (isFollowing) => pause(!isFollowing));

const socket = connect("log", {
  onOpen() {
    connection++;
    askForRate();
  },
  onClose() {
    waiting = undefined;
    view.add([{ note: "The connection broke: lines until it is back are not shown." }], () => {});
  },
  onMessage(message) {
    if (message.lines !== undefined) {
      if (isPaused) waiting = message;
      else take(message);
    } else if (message.file !== undefined) {
      element("file").textContent = message.file;
      element("rates").hidden = message.rates.length === 0;
    } else if (message.error !== undefined) {
      view.add([{ note: `The server cannot go on (${message.error}): its log says why.` }], () => {});
    }
  },
});

function take({ lines, dropped, isMore }) {
  totals.received += lines.length;
  totals.dropped += dropped;
  totals.isMore ||= isMore;
  const notes = dropped > 0 || isMore ? [{ note: noteOf(dropped, isMore) }] : [];
  const from = connection;
  view.add([...notes, ...lines], () => askForMore(from));
}

function noteOf(dropped, isMore) {
  if (dropped === 0) return "A new file: lines of the one before may be missing.";
  return `${isMore ? "More than " : ""}${written(dropped)} lines dropped: this page was too far behind.`;
}

function askForMore(from) {
  const now = performance.now();
  const waitMs = Math.max(0, askedAt + leastMs - now);
  askedAt = now + waitMs;
  setTimeout(() => {
    if (from === connection) socket.send({ type: "more" });
  }, waitMs);
}

function askForRate() {
  const chosen = document.querySelector('input[name="rate"]:checked');
  socket.send({ type: "rate", rate: Number(chosen.value) });
}

function pause(isNowPaused) {
  isPaused = isNowPaused;
  element("pause").textContent = isPaused ? "Follow" : "Pause";
  if (isPaused || waiting === undefined) return;
  take(waiting);
  waiting = undefined;
}

/** Once a second: numbers that change faster can be read by nobody. */
function showTotals() {
  const now = performance.now();
  show("speed", Math.round(((totals.received - countedReceived) * 1000) / (now - countedAt)));
  [countedAt, countedReceived] = [now, totals.received];
  show("received", totals.received);
  show("dropped", totals.dropped);
  element("more-dropped").hidden = !totals.isMore;
}

function show(id, count) {
  element(id).value = String(count);
  element(id).textContent = written(count);
}

function written(count) {
  return count.toLocaleString("en");
}

element("pause").addEventListener("click", () => {
  pause(!isPaused);
  view.follow(!isPaused);
});
element("filter").addEventListener("input", ({ target }) => view.filter(target.value));
for (const choice of document.querySelectorAll('input[name="rate"]')) choice.addEventListener("change", askForRate);
setInterval(showTotals, 1000);

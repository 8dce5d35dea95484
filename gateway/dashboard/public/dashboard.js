// The live dashboard: draws what the gateway's stream of server-sent events tells once a second. It asks for nothing else, and changes
// nothing. A browser comes back to the stream by itself; what it has drawn stays meanwhile.

import { drawCharts } from "./charts.js";
import { showDeploys } from "./deploys.js";
import { byId, clock } from "./dom.js";
import { showErrors } from "./errors.js";
import { showFigures, showGateways, showWorkers } from "./panels.js";
import { meet } from "./releases.js";

const keptSamples = 120;
/** A stream that says nothing for so long is not well, though it is open. */
const silentMs = 4_000;
/** After an answer that no browser asks again after. */
const againMs = 5_000;

const events = new URL("dashboard/events", document.baseURI);
let samples = [];
let latest;
let heardAt = 0;
let refused = "";

function connect() {
  const stream = new EventSource(events);
  const hear = (name, listener) => stream.addEventListener(name, ({ data }) => listener(JSON.parse(data)));
  hear("history", (history) => {
    // What this page has drawn, of an earlier gateway, say, and of it only what is older.
    const [first] = history;
    const older = first === undefined ? samples : samples.filter(({ at }) => at < first.at);
    samples = [...older, ...history].slice(-keptSamples);
  });
  hear("deploys", showDeploys);
  hear("errors", showErrors);
  hear("snapshot", (snapshot) => {
    heardAt = Date.now();
    refused = "";
    show(snapshot);
  });
  stream.addEventListener("error", () => {
    heardAt = 0;
    if (stream.readyState === EventSource.CLOSED) void again();
    tellState();
  });
}

/** The gateway has refused: a browser gives up then. */
async function again() {
  try {
    const { status } = await fetch(events, { method: "HEAD" });
    refused = status === 503 ? "20 pages look at this gateway's dashboard already: this one waits for its turn." : "";
  } catch {
    refused = "";
  }
  tellState();
  setTimeout(connect, againMs);
}

function show(snapshot) {
  latest = snapshot;
  if (snapshot.at > (samples.at(-1)?.at ?? 0)) samples = [...samples, snapshot].slice(-keptSamples);
  meet(snapshot.workers.rows.map(({ release }) => release));
  drawCharts(samples);
  showFigures(snapshot);
  showWorkers(snapshot.workers);
  showGateways(snapshot.gateways, { now: snapshot.at, here: snapshot.gateway });
  for (const place of document.querySelectorAll(".scroll")) place.tabIndex = place.scrollWidth > place.clientWidth ? 0 : -1;
  tellState();
}

function tellState() {
  const isLive = Date.now() - heardAt < silentMs;
  const live = byId("live");
  const text = isLive ? "live" : latest === undefined ? "connecting" : "reconnecting";
  // Only where it is another one: it is read out.
  if (live.textContent !== text) live.textContent = text;
  live.dataset.state = text;
  const notice = byId("notice");
  const told = noticeOf(isLive);
  if (notice.textContent !== told) notice.textContent = told;
  notice.hidden = told === "";
}

function noticeOf(isLive) {
  if (refused !== "") return refused;
  if (!isLive && latest !== undefined) {
    return `The gateway that this page is of does not answer: it has ended, or restarts. What you see is of ${clock(latest.at)}; this page comes back by itself.`;
  }
  if (isLive && !latest.hasNats) return "NATS is away: messages wait, and the gateway hears nothing of workers and other gateways.";
  return "";
}

setInterval(tellState, 1_000);
connect();

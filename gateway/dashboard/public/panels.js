// The panels besides the charts: figures, workers, gateways.

import { byId, count, durationParts, element, span } from "./dom.js";
import { colourOf } from "./releases.js";

const tones = { active: "good", serving: "good", standby: "plain", draining: "warn", parking: "bad", silent: "bad" };

export function showFigures({ connections, waiting, inPerSecond, outPerSecond, parked, handover, release, generation, gateways }) {
  const [pause, unit] = handover === null || handover.handedOver === 0 ? ["–", ""] : durationParts(handover.pauseP99Ms);
  const several = gateways.rows.length + gateways.more;
  byId("tiles").replaceChildren(
    tile(
      "Connections",
      count(connections),
      waiting > 0 ? `${count(waiting)} without a worker` : `at ${several} gateway${several === 1 ? "" : "s"}`,
    ),
    tile("From clients", count(inPerSecond), "messages", { unit: "/s" }),
    tile("To clients", count(outPerSecond), "without publishes", { unit: "/s" }),
    tile("Parked", count(parked), parked > 0 ? "waiting for a worker" : "nothing waits", { tone: parked > 0 ? "warn" : "plain" }),
    tile("Redelivered", count(handover?.redelivered ?? 0), "since the last activation", {
      tone: handover?.redelivered > 0 ? "warn" : "plain",
    }),
    tile("Hand-over pause, p99", pause, pauses(handover), { unit }),
  );
  byId("release").textContent = release ?? "no release yet";
  byId("release-dot").className = release === null ? "dot" : `dot c${colourOf(release)}`;
  byId("generation").textContent = release === null ? "" : `generation ${count(generation)}`;
}

function pauses(handover) {
  if (handover === null || handover.handedOver === 0) return "no connection has moved";
  const [[median, unit], [longest, sameUnit]] = [durationParts(handover.pauseP50Ms), durationParts(handover.pauseLongestMs)];
  return `p50 ${median}${unit === sameUnit ? "" : ` ${unit}`}, longest ${longest} ${sameUnit}`;
}

function tile(name, value, about, { unit = "", tone = "plain" } = {}) {
  const figure = element("dd.value", value, unit === "" ? undefined : element("small", unit));
  const made = element("div", element("dt", name), figure, element("dd.about", about));
  made.lastChild.title = about;
  made.dataset.tone = tone;
  return made;
}

export function showWorkers({ rows, more }) {
  const releases = [...new Set(rows.map(({ release }) => release))];
  const groups = releases.map((release) => {
    const head = element("th.group", element(`span.dot.c${colourOf(release)}`), element("span.mono", release));
    head.colSpan = 5;
    head.scope = "rowgroup";
    const workers = rows.filter((worker) => worker.release === release).map(workerRow);
    return element("tbody", element("tr", head), ...workers);
  });
  const empty = rows.length === 0 ? [note("No worker is there: what clients send waits.", 5)] : [];
  byId("workers").replaceChildren(headOf("worker", "state", "connections", "turns/s", "threw"), ...groups, ...empty, ...rest(more, 5));
}

function workerRow({ id, host, pid, state, connections, turnsPerSecond, turns, thrown, tasks }) {
  const name = element("td", element("span.mono", id));
  name.title = `process ${pid} on ${host}${tasks.length === 0 ? "" : `; runs ${tasks.join(", ")}`}`;
  if (tasks.length > 0) name.append(" ", element("span.soft", `${tasks.length} task${tasks.length === 1 ? "" : "s"}`));
  const threw = element(thrown > 0 ? "td.bad-text" : "td", count(thrown));
  threw.title = `of ${count(turns)} turns`;
  return element("tr", name, element("td", badge(state)), element("td", count(connections)), element("td", count(turnsPerSecond)), threw);
}

export function showGateways({ rows, more }, { now, here }) {
  const made = rows.map(({ id, host, pid, state, connections, parked, inPerSecond, outPerSecond, startedAt }) => {
    const name = element("td", element("span.mono", id));
    name.title = `process ${pid} on ${host}${id === here ? "; this page is of it" : ""}`;
    const numbers = [connections, inPerSecond, outPerSecond, parked].map((number) => element("td", count(number)));
    return element("tr", name, element("td", badge(state)), ...numbers, element("td", span(now - startedAt)));
  });
  byId("gateways").replaceChildren(
    headOf("gateway", "state", "connections", "in/s", "out/s", "parked", "up"),
    element("tbody", ...made),
    ...rest(more, 7),
  );
}

export function badge(text, tone = tones[text] ?? "plain") {
  return element(`span.badge.${tone}`, text);
}

function headOf(...names) {
  const cells = names.map((name) => {
    const cell = element("th", name);
    cell.scope = "col";
    return cell;
  });
  return element("thead", element("tr", ...cells));
}

function rest(more, columns) {
  return more === 0 ? [] : [note(`and ${count(more)} more`, columns)];
}

function note(text, columns) {
  const cell = element("td.soft", text);
  cell.colSpan = columns;
  return element("tbody", element("tr", cell));
}

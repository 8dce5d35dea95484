// What workers have logged as errors: where in the handlers' code, what, how often; the stack for whoever opens it.

import { byId, clock, count, element } from "./dom.js";
import { colourOf } from "./releases.js";

/** @param errors the one that came last first */
export function showErrors(errors) {
  const open = new Set([...document.querySelectorAll("#errors details[open]")].map(({ dataset }) => dataset.key));
  const rows = errors.map((error) => {
    const key = JSON.stringify([error.release, error.text, error.place, error.message]);
    const details = element("details", summaryOf(error), ...detailsOf(error));
    details.dataset.key = key;
    details.open = open.has(key);
    return element("li", details);
  });
  byId("errors").replaceChildren(...(rows.length === 0 ? [element("li.empty", "No worker that runs has logged an error.")] : rows));
}

function summaryOf({ at, place, text, message, times, release, about }) {
  const dot = element(`span.dot.c${colourOf(release)}`);
  dot.title = `release ${release}`;
  // Where there is no place, its text stands there.
  const said = message !== "" ? message : about.leftOut === undefined ? "" : `${about.leftOut} more`;
  const what = element("span.what", said === "" && place !== undefined ? text : said);
  what.title = what.textContent;
  const often = times > 1 ? element("span.badge.bad", `× ${count(times)}`) : element("span");
  return element("summary", element("time", clock(at)), element("span.place.mono", dot, " ", place ?? text), what, often);
}

function detailsOf({ text, release, about, stack }) {
  const facts = [["what", text], ["release", release], ...Object.entries(about)];
  const list = element("dl", ...facts.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  return stack === "" ? [list] : [list, element("pre", stack)];
}

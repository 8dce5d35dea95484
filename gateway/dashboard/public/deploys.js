// The latest deploy or rollback, step by step as it happens, and how the ones before came out.

import { byId, clock, duration, element } from "./dom.js";
import { badge } from "./panels.js";

const marks = { done: "✓", failed: "✗", note: "!", running: "●" };
const outcomes = {
  serves: ["serves", "good"],
  refused: ["refused", "bad"],
  rolledBack: ["rolled back", "bad"],
  failed: ["failed", "bad"],
};
/** A step that took no longer is not worth a figure. */
const shownMs = 100;

/** @param deploys the one that began last first */
export function showDeploys(deploys) {
  const [latest, ...earlier] = deploys;
  byId("deploy-title").textContent = latest?.what === "rollback" ? "Rollback" : "Deploy";
  if (latest === undefined) {
    const text = element("p.empty", "None yet. Each step of ", element("code", "npm run deploy-worker"), " is seen here as it happens.");
    byId("deploy").replaceChildren(text);
    return;
  }
  const { by, startedAt, steps, outcome } = latest;
  const state = outcome === undefined ? badge("running", "plain") : badge(...outcomes[outcome.kind]);
  const head = element("div.deploy-head", element("span", `by ${by}, ${clock(startedAt)}`), state);
  const list = element("ol.steps", ...steps.map(stepRow));
  byId("deploy").replaceChildren(head, list, ...(outcome === undefined ? [] : [textOf(outcome)]), ...listOf(earlier));
}

function stepRow({ text, state, ms }) {
  const mark = element("span.mark", marks[state]);
  mark.setAttribute("aria-label", state);
  mark.setAttribute("role", "img");
  const took = state !== "note" && state !== "running" && ms >= shownMs ? element("time", duration(ms)) : undefined;
  const row = element("li", mark, element("span.grow", text), took);
  row.dataset.state = state;
  return row;
}

/** What was reported, or why it came to nothing. */
function textOf({ text }) {
  const told = element("pre.outcome", text);
  told.tabIndex = 0;
  told.setAttribute("role", "status");
  return told;
}

function listOf(deploys) {
  if (deploys.length === 0) return [];
  const rows = deploys.map(({ what, startedAt, outcome }) => {
    const name = element("span", `${what === "deploy" ? "Deploy" : "Rollback"} at ${clock(startedAt)}`);
    return element("li", name, outcome === undefined ? badge("running", "plain") : badge(...outcomes[outcome.kind]));
  });
  return [element("ol.earlier", ...rows)];
}

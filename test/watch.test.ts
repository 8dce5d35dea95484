// The dashboard and the alert rules ask for nothing that is not measured. Where promtool is installed (Debian: prometheus), it has
// the last word about their syntax, our text format, and what the rules find.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal, TestClient } from "./client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

const docs = join(import.meta.dirname, "..", "docs");
const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
/** What Prometheus itself adds. */
const addedLabels = ["instance", "job", "le"];

let system: TestSystem;
let texts: string[];
/** By series: the labels that its samples have; undefined where it has no samples yet. */
const labelsOf = new Map<string, ReadonlySet<string> | undefined>();

beforeAll(async () => {
  system = await TestSystem.start({ workers: 1 });
  const client = await TestClient.open(`${system.url}/echo`);
  client.send("hello");
  await client.receives(1);
  await refusal(`${system.url}/nowhere`);
  await fetch(`${system.url.replace("ws", "http")}/gate/post`);
  await system.deploy("2");
  const adminPort = system.gatewayHellos[0]?.adminPort;
  texts = await Promise.all(
    ["/metrics", "/metrics/workers"].map(async (path) => (await fetch(`http://127.0.0.1:${adminPort}${path}`)).text()),
  );
  for (const exposition of texts.map((text) => new Exposition(text))) {
    for (const name of exposition.seriesNames) {
      const labels = exposition.having(name).flatMap((sample) => Object.keys(sample.labels));
      const known = labelsOf.get(name) ?? new Set();
      labelsOf.set(name, exposition.having(name).length === 0 ? undefined : new Set([...known, ...labels]));
    }
  }
  client.breakOff();
});

afterAll(() => system.stop());

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const dashboard = JSON.parse(readFileSync(join(docs, "grafana.json"), "utf8")) as {
  panels: Panel[];
  annotations: { list: { expr: string }[] };
};
const panelQueries = dashboard.panels.flatMap(({ targets }) => targets?.map(({ expr }) => expr) ?? []);
const annotationQueries = dashboard.annotations.list.map(({ expr }) => expr);
const alertFile = readFileSync(join(docs, "alerts.yml"), "utf8");
/** An expression is on its key's line, or, after `|`, on the deeper lines below. */
const alertQueries = [...alertFile.matchAll(/^ {8}expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)/gm)].map(([, block, line]) => block ?? line ?? "");

test("all queries were found", () => {
  expect(panelQueries.length).toBeGreaterThan(40);
  expect(alertQueries).toHaveLength(alertFile.match(/- alert:/g)?.length ?? 0);
});

test.each([...panelQueries, ...annotationQueries, ...alertQueries])("asks for what there is: %s", (query) => {
  const names = [...query.matchAll(/\bthinstate_[a-z_]+\b/g)].map(([name]) => name);
  if (names.length === 0) expect(query).toContain("up{");
  const unknown = names.filter((name) => !labelsOf.has(name));
  expect(unknown).toEqual([]);
  const chosen = [...query.matchAll(/\b(thinstate_[a-z_]+)\{([^}]*)\}/g)].flatMap(([, name = "", matchers = ""]) =>
    [...matchers.matchAll(/([a-z_]+)\s*!?[=~]/g)].map(([, label = ""]) => ({ names: [name], label })),
  );
  const grouped = [...query.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(", ").map((label) => ({ names, label })),
  );
  const missing = [...chosen, ...grouped].filter(({ names: asked, label }) => {
    const known = asked.map((name) => labelsOf.get(name));
    return !addedLabels.includes(label) && known.every((labels) => labels !== undefined && !labels.has(label));
  });
  expect(missing).toEqual([]);
});

test("a legend shows only labels that its query keeps", () => {
  for (const { title, targets = [] } of dashboard.panels) {
    for (const { expr, legendFormat } of targets) {
      const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(", "));
      const kept =
        grouped.length > 0 ? grouped : [...expr.matchAll(/thinstate_[a-z_]+/g)].flatMap(([name]) => [...(labelsOf.get(name) ?? [])]);
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
      expect({ title, shown: shown.filter((label) => ![...kept, ...addedLabels].includes(label)) }).toEqual({ title, shown: [] });
    }
  }
});

function promtool(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync("promtool", args, { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`promtool ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout + stderr;
}

// Skipped without promtool.
test.skipIf(!hasPromtool)("promtool accepts the configuration, the rules, every query of the dashboard, and what we write", () => {
  promtool(["check", "config", join(docs, "prometheus.yml")]);
  for (const text of texts) expect(promtool(["check", "metrics"], text)).toBe("");
  const folder = mkdtempSync(join(tmpdir(), "thinstate-rules-"));
  try {
    const rules = [...panelQueries, ...annotationQueries].map((expr, index) => ({
      record: `query_${index}`,
      expr: expr.replaceAll("$__rate_interval", "1m"),
    }));
    // JSON is YAML.
    writeFileSync(join(folder, "rules.yml"), JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    promtool(["check", "rules", join(folder, "rules.yml")]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.skipIf(!hasPromtool)("promtool: the rules fire when they should, and not else", () => {
  execFileSync("promtool", ["test", "rules", join(import.meta.dirname, "alerts.yml")], { stdio: "pipe" });
});

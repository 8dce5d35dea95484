// README, CONTRIBUTING and docs/ agree with the code: every setting and its default, every command, every link.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { parseGatewayConfig, liveSettings as reloadedByGateways } from "../gateway/config.ts";
import { parkedEventBytes } from "../gateway/parking.ts";
import { parseSettings } from "../process/settings.ts";
import { cacheFolder } from "../scripts/setup/cache.mjs";
import { supervisorSettings } from "../supervisor/config.ts";
import { processSettings } from "../supervisor/every-setting.ts";
import { parseWorkerConfig, liveSettings as reloadedByWorkers } from "../worker/config.ts";

const clone = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(clone, file), "utf8");
const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...readdirSync(join(clone, "docs")).map((name) => join("docs", name))].filter(
  (file) => file.endsWith(".md"),
);
const configuration = read("docs/configuration.md");
const limits = read("docs/limits.md");

/** Read before anything is installed, by plain JavaScript. */
const ofSetup: [name: string, otherwise: string][] = [["THINSTATE_DIR", cacheFolder({}).replace(`${clone}/`, "")]];

/** Each variable's defaults, in the order supervisor, gateway, worker, each once. */
function defaults(): Record<string, string> {
  const given = { NATS_URL: "given" };
  const supervisor = supervisorSettings(clone);
  const unset = Object.keys(supervisor.entries).map((name) => [name, ""] as const);
  const all = [
    ...Object.entries({ ...Object.fromEntries(unset), ...parseSettings(supervisor, {}) }),
    ...Object.entries({ ...parseGatewayConfig(given), NATS_URL: "" }),
    ...Object.entries({ ...parseWorkerConfig(given), NATS_URL: "" }),
    ...ofSetup,
  ];
  const found = new Map<string, Set<string>>();
  for (const [name, otherwise] of all) {
    if (processSettings.has(name)) continue;
    found.set(name, (found.get(name) ?? new Set()).add(String(otherwise)));
  }
  return Object.fromEntries([...found].map(([name, values]) => [name, [...values].join(", ")]));
}

/** What the tables say: one variable a row, or several with as many defaults. */
function documented(): Record<string, string> {
  const rows = (configuration + limits).matchAll(/^\| (`[A-Z][A-Z_]+`(?:, `[A-Z][A-Z_]+`)*) \| (.*?) ?\| .* \|$/gm);
  const entries = [...rows].flatMap(([, names = "", values = ""]): [string, string][] => {
    const list = names.replaceAll("`", "").split(", ");
    return list.length === 1 ? [[names.replaceAll("`", ""), values]] : list.map((name, index) => [name, values.split(", ")[index] ?? ""]);
  });
  expect(new Set(entries.map(([name]) => name)).size).toBe(entries.length);
  return Object.fromEntries(entries);
}

test("every environment variable stands in a table with its default, and no other does", () => {
  expect(documented()).toEqual(defaults());
});

test("the settings that a reload applies are those that the page lists", () => {
  const listed = (process: string) => [
    ...(new RegExp(`^\\| ${process} \\| (.*) \\|$`, "m").exec(configuration)?.[1] ?? "").matchAll(/`(\w+)`/g),
  ];
  const names = (process: string) => listed(process).map(([, name]) => name);
  expect(names("gateway").sort()).toEqual([...reloadedByGateways].sort());
  expect(names("worker").sort()).toEqual([...reloadedByWorkers].sort());
});

test("the page says how many bytes a parked message is counted with, besides its own", () => {
  expect(limits).toContain(`each message counted with ${parkedEventBytes} bytes more`);
});

test("the debugger of the page attaches where npm run dev -- --inspect listens", () => {
  const [, snippet = ""] = /^```json\n(.*?)^```$/ms.exec(read("docs/handlers.md")) ?? [];
  const usualPort = Number(/usualInspectPort = (\d+);/.exec(read("scripts/dev.ts"))?.[1]);
  const [attach] = (JSON.parse(snippet) as { configurations: unknown[] }).configurations;
  expect(attach).toMatchObject({ type: "node", request: "attach", address: "127.0.0.1", port: usualPort, restart: true });
});

test("every npm script is documented, and every documented one exists", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const text = pages.map(read).join("\n");
  const named = [...text.matchAll(/\bnpm (?:run (?:-s )?([\w-]+(?::[\w-]+)?)|(start|test)\b)/g)].map(
    ([, script, short]) => script ?? short,
  );
  expect([...new Set(named)].sort()).toEqual(Object.keys(scripts).sort());
});

test("every file that a page links to exists", () => {
  const links = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^):#]+)(?:#[\w-]+)?\)/g)].map(([, path = ""]) => join(dirname(page), path)),
  );
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((path) => !existsSync(join(clone, path)))).toEqual([]);
});

test("every section that a link names exists", () => {
  const anchors = (page: string) =>
    [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    );
  const links = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^):#]*)#([\w-]+)\)/g)].map(([, path = "", anchor = ""]) => ({
      page: path === "" ? page : join(dirname(page), path),
      anchor,
    })),
  );
  expect(links.filter(({ page, anchor }) => !anchors(page).includes(anchor))).toEqual([]);
});

// The README says what is so: every variable with its default, every command, every file that it leads to.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseGatewayConfig } from "../gateway/config.ts";
import { parkedEventBytes } from "../gateway/parking.ts";
import { parseSettings } from "../process/settings.ts";
import { cacheFolder } from "../scripts/setup/cache.mjs";
import { supervisorSettings } from "../supervisor/config.ts";
import { processSettings } from "../supervisor/every-setting.ts";
import { parseWorkerConfig } from "../worker/config.ts";

const clone = join(import.meta.dirname, "..");
const readme = readFileSync(join(clone, "README.md"), "utf8");

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

/** What the README's tables say: one variable a row, or several with as many defaults. */
function documented(): Record<string, string> {
  const rows = readme.matchAll(/^\| (`[A-Z][A-Z_]+`(?:, `[A-Z][A-Z_]+`)*) \| (.*?) ?\| .* \|$/gm);
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

test("what a message that waits is counted with, beside its bytes, is what is said", () => {
  expect(readme).toContain(`each message counted with ${parkedEventBytes} bytes more`);
});

test("every npm script is named, and every one that is named exists", () => {
  const { scripts } = JSON.parse(readFileSync(join(clone, "package.json"), "utf8")) as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/\bnpm (?:run (?:-s )?([\w-]+(?::[\w-]+)?)|(start|test)\b)/g)].map(
    ([, script, short]) => script ?? short,
  );
  expect([...new Set(named)].sort()).toEqual(Object.keys(scripts).sort());
});

test("every file that it leads to exists", () => {
  const links = [...readme.matchAll(/\]\(([^):#]+)\)/g)].map(([, path = ""]) => path);
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((path) => !existsSync(join(clone, path)))).toEqual([]);
});

// docs/errors.md lists every close code, and says whether to come back after it; the example of docs/clients.md does as it says.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { errorTable } from "../protocol/errors.ts";
import { exampleArguments } from "./clients-page.ts";

const clone = join(import.meta.dirname, "..");

/** Each close code, and whether to come back after it. */
function documentedCodes(): Map<number, boolean> {
  const page = readFileSync(join(clone, "docs", "errors.md"), "utf8");
  const rows = page.matchAll(/^\| (\d{4}(?:, \d{4})*) \| (yes|no)\b/gm);
  return new Map([...rows].flatMap(([, codes, answer]) => codes?.split(", ").map((code) => [Number(code), answer === "yes"]) as []));
}

/** Of the numbers that a close code of an application may be, those in the adapters that are no part of a product. */
function adaptersCodes(): number[] {
  const folder = join(clone, "worker", "adapters");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => /(?<!\.test)\.ts$/.test(file));
  return files.flatMap((file) => {
    const code = readFileSync(join(folder, file), "utf8").replace(/^\s*(\/\/|\/?\*).*$/gm, "");
    const sockjs = [...code.matchAll(/\bcloseFrame\((\d{4}),/g)].map(([, number]) => Number(number));
    return [...sockjs, ...[...code.matchAll(/(?<![\w*] ?)\b[34]\d{3}\b(?! \*)/g)].map(([number]) => Number(number))];
  });
}

test("docs/errors.md lists the close codes of thinstate and of the adapters, and no others", () => {
  // 1000 and 1006 are nobody's: a close without a code, and none at all.
  const existing = new Set([1000, 1006, ...Object.values(errorTable).map(({ close }) => close), ...adaptersCodes()]);
  expect([...documentedCodes().keys()].toSorted()).toEqual([...existing].toSorted());
});

test("the example comes back where docs/errors.md says so, at a time of its own, and with a new ticket", async () => {
  let tickets = 0;
  const examples = [1, 2, 3].map(() => exampleArguments(() => Promise.resolve(`${++tickets}`)));
  for (const { url, options } of examples) {
    for (const [code, isBack] of documentedCodes()) expect(options.shouldReconnectOnClose({ code }), `${code}`).toBe(isBack);
    const [first, second] = [await url(), await url()];
    expect(first).not.toBe(second);
    expect(options.minReconnectionDelay).toBeGreaterThanOrEqual(1_000);
    expect(options.minReconnectionDelay).toBeLessThan(5_000);
  }
  expect(new Set(examples.map(({ options }) => options.minReconnectionDelay)).size).toBeGreaterThan(1);
});

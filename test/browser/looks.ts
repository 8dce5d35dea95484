// What is expected of every page, demo or dashboard: that it is light, legible on each screen, usable by everybody, and without an error.

import { expect } from "vitest";
import type { WatchedPage } from "./watched-page.ts";

const mostBytes = 60_000;

/** Of a page that has just been opened, and shows what it has to show. */
export async function expectGoodLooks(watched: WatchedPage): Promise<void> {
  expect(watched.transferredBytes).toBeGreaterThan(1_000);
  expect(watched.transferredBytes).toBeLessThanOrEqual(mostBytes);
  for (const colorScheme of ["light", "dark"] as const) {
    await watched.page.emulateMedia({ colorScheme });
    expect(await watched.barriers(), colorScheme).toEqual([]);
  }
  // Nothing is wider than the screen.
  expect(await watched.page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
  expect(watched.faults).toEqual([]);
}

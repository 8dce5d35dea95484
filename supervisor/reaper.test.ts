import { afterEach, expect, test, vi } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { Reaper } from "./reaper.ts";

const tooLarge = "THINSTATE_TEST_TOO_LARGE";

let reaper: Reaper;

afterEach(() => {
  delete process.env[tooLarge];
  reaper.close();
});

test("a reaper that the system refuses to start, or that ends, is started again", async () => {
  // E2BIG: thrown at once, as ENOMEM is.
  process.env[tooLarge] = "x".repeat(4 * 1024 * 1024);
  reaper = new Reaper();
  expect(reaper.pid).toBeUndefined();
  delete process.env[tooLarge];
  await vi.waitFor(() => expect(reaper.pid).toBeDefined(), patienceMs);
  const { pid } = reaper;
  process.kill(pid as number, "SIGKILL");
  await vi.waitFor(() => expect(reaper.pid).not.toBe(pid), patienceMs);
});

import { afterEach, expect, test, vi } from "vitest";
import { patienceMs } from "../../scripts/live/patience.ts";
import { Guard } from "./guard.ts";

const tooLarge = "THINSTATE_TEST_TOO_LARGE";

let guard: Guard;

afterEach(() => {
  delete process.env[tooLarge];
  guard.close();
});

test("a guard that the system refuses to start, or that ends, is started again", async () => {
  // E2BIG: thrown at once, as ENOMEM is.
  process.env[tooLarge] = "x".repeat(4 * 1024 * 1024);
  guard = new Guard();
  expect(guard.pid).toBeUndefined();
  delete process.env[tooLarge];
  await vi.waitFor(() => expect(guard.pid).toBeDefined(), patienceMs);
  const { pid } = guard;
  process.kill(pid as number, "SIGKILL");
  await vi.waitFor(() => expect(guard.pid).not.toBe(pid), patienceMs);
});

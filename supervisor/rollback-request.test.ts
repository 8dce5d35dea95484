import { expect, test } from "vitest";
import { RollbackSignal } from "./rollback-request.ts";

function watching(before: string | undefined): RollbackSignal {
  const rollbackSignal = new RollbackSignal();
  rollbackSignal.open(0, before);
  return rollbackSignal;
}

test("ends the watch for who wants back what served before, by its name or without one", () => {
  for (const to of [null, "1"]) {
    const rollbackSignal = watching("1");
    expect(rollbackSignal.ask("ada", to, false)).toBeInstanceOf(Promise);
    expect(rollbackSignal.signal.reason).toBe("ada");
  }
});

test("goes on where another release is asked for, or nothing served before", () => {
  for (const rollbackSignal of [watching("1"), watching(undefined)]) {
    expect(rollbackSignal.ask("ada", "2", false)).toBeUndefined();
    expect(rollbackSignal.signal.aborted).toBe(false);
  }
  expect(watching(undefined).ask("ada", null, false)).toBeUndefined();
});

test("one that is refused tells why, and may be asked for again", async () => {
  const rollbackSignal = watching("1");
  const refused = rollbackSignal.ask("ada", null, false);
  rollbackSignal.refuse(new Error("not now"));
  await expect(refused).rejects.toThrow("not now");
  expect(rollbackSignal.signal.aborted).toBe(false);
  const asked = rollbackSignal.ask("eve", null, true);
  expect([rollbackSignal.signal.reason, rollbackSignal.isForced]).toEqual(["eve", true]);
  rollbackSignal.close();
  expect(await asked).toBeUndefined();
});

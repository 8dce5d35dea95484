import { expect, test } from "vitest";
import { Recall } from "./recall.ts";

function watching(before: string | undefined): Recall {
  const recall = new Recall();
  recall.open(0, before);
  return recall;
}

test("ends the watch for who wants back what served before, by its name or without one", () => {
  for (const to of [null, "1"]) {
    const recall = watching("1");
    expect(recall.ask("ada", to, false)).toBeInstanceOf(Promise);
    expect(recall.signal.reason).toBe("ada");
  }
});

test("goes on where another release is asked for, or nothing served before", () => {
  for (const recall of [watching("1"), watching(undefined)]) {
    expect(recall.ask("ada", "2", false)).toBeUndefined();
    expect(recall.signal.aborted).toBe(false);
  }
  expect(watching(undefined).ask("ada", null, false)).toBeUndefined();
});

test("one that is refused tells why, and may be asked for again", async () => {
  const recall = watching("1");
  const refused = recall.ask("ada", null, false);
  recall.refuse(new Error("not now"));
  await expect(refused).rejects.toThrow("not now");
  expect(recall.signal.aborted).toBe(false);
  const asked = recall.ask("eve", null, true);
  expect([recall.signal.reason, recall.isForced]).toEqual(["eve", true]);
  recall.close();
  expect(await asked).toBeUndefined();
});

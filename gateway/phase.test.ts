import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Phase, type PhaseEvent, phaseTable, transition } from "./phase.ts";

const phases = Object.keys(phaseTable) as Phase[];

/** The table that people read: a row for each phase and event, with what follows. */
function documented(): string[] {
  const text = readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8");
  const [, table = ""] = text.split("| phase | event | next | actions |\n|---|---|---|---|\n");
  const rows = table.split("\n\n")[0]?.trim().split("\n") ?? [];
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
      .join(" | "),
  );
}

test("docs/architecture.md shows the table as it is", () => {
  const rows = phases.flatMap((phase) =>
    Object.entries(phaseTable[phase]).map(([event, [next, actions]]) => [phase, event, next, actions.join(", ")].join(" | ")),
  );
  expect(documented()).toEqual(rows);
});

test.each<[Phase, PhaseEvent, Phase, string]>([
  ["parked", "given", "pinned", "pin"],
  ["parked", "suspected", "suspect", "judge"],
  ["parked", "broken", "parked", "close"],
  ["parked", "ended", "ended", "forget"],
  ["pinned", "askedBack", "leaving", "askBack"],
  ["pinned", "broken", "parked", "dismiss takeBack close place"],
  ["pinned", "lost", "parked", "redeliver place"],
  ["pinned", "lostBroken", "parked", "redeliver close place"],
  ["pinned", "forgotten", "ended", "redeliver leave forget"],
  ["pinned", "ended", "ended", "forget"],
  ["leaving", "givenBack", "parked", "takeBack place"],
  ["leaving", "broken", "parked", "dismiss takeBack close place"],
  ["leaving", "lost", "parked", "redeliver place"],
  ["leaving", "lostBroken", "parked", "redeliver close place"],
  ["leaving", "forgotten", "ended", "redeliver leave forget"],
  ["leaving", "ended", "ended", "forget"],
  ["suspect", "given", "quarantined", "pin"],
  ["suspect", "cleared", "parked", "place"],
  ["suspect", "convicted", "parked", "setAside place"],
  ["suspect", "broken", "suspect", "close"],
  ["suspect", "ended", "ended", "forget"],
  ["quarantined", "cleared", "pinned", "endQuarantine"],
  ["quarantined", "broken", "suspect", "dismiss takeBack close endQuarantine judge"],
  ["quarantined", "lost", "suspect", "redeliver endQuarantine judge"],
  ["quarantined", "lostBroken", "suspect", "redeliver close endQuarantine judge"],
  ["quarantined", "forgotten", "ended", "redeliver leave forget endQuarantine"],
  ["quarantined", "ended", "ended", "forget endQuarantine"],
])("%s, %s: %s", (phase, event, next, actions) => {
  expect(transition(phase, event)).toEqual([next, actions.split(" ")]);
});

test("what is not in the table changes nothing", () => {
  const late: ReadonlyArray<[Phase, PhaseEvent]> = [
    ["pinned", "givenBack"],
    ["parked", "givenBack"],
    ["quarantined", "askedBack"],
    ["pinned", "cleared"],
    ["leaving", "askedBack"],
    ["ended", "lost"],
    ["ended", "given"],
  ];
  for (const [phase, event] of late) expect(transition(phase, event)).toEqual([phase, []]);
});

test("an ended connection stays so, and a worker takes part in every way to pinned and quarantined", () => {
  expect(phaseTable.ended).toEqual({});
  for (const phase of phases) {
    for (const [event, [next, actions]] of Object.entries(phaseTable[phase])) {
      const getsWorker = !["pinned", "leaving", "quarantined"].includes(phase) && ["pinned", "leaving", "quarantined"].includes(next);
      expect(actions.includes("pin"), `${phase} ${event}`).toBe(getsWorker);
      // Nothing is taken back from a worker that has committed the last event.
      const losesWorker = ["pinned", "leaving", "quarantined"].includes(phase) && ["parked", "suspect", "ended"].includes(next);
      expect(actions.includes("takeBack") || actions.includes("redeliver"), `${phase} ${event}`).toBe(losesWorker && event !== "ended");
      expect(actions.includes("endQuarantine"), `${phase} ${event}`).toBe(phase === "quarantined");
    }
  }
});

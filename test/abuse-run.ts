// The abuse run itself, shortened: what it has to show of chosen rows.

import { expect } from "vitest";
import type { Row } from "../abuse/row.ts";
import { runCommand } from "./command.ts";

// How long the victim waits, and whether strangers are answered before a shortened run ends, says more of the machine than of us when
// other tests run beside it: npm run abuse judges that.
const aboutTime = ["the victim's p99", "× unanswered", "× no answer to the head"];
// What waits for the deaf is looked at four times a second: where a step of the event loop takes seconds, more comes between two looks.
const isAboutTime = ({ abuse }: Row, fault: string) =>
  aboutTime.some((text) => fault.includes(text)) || (abuse === "deaf" && fault.startsWith("gateway grew by"));

/** Runs these rows: strangers are bounded, and a client beside them loses nothing. */
export async function expectBounded(chosen: readonly string[]): Promise<void> {
  const only = chosen.flatMap((name) => ["--only", name]);
  const { exitCode, stdout, stderr } = await runCommand("abuse", "--json", "--seconds", "4", ...only);
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
  expect(rows.map(({ abuse }) => abuse).sort(), stderr).toEqual([...chosen].sort());
  for (const row of rows) {
    const said = JSON.stringify(row);
    const faults = row.faults.filter((fault) => !isAboutTime(row, fault));
    expect(
      faults.map((fault) => `${row.abuse}: ${fault}`),
      said,
    ).toEqual([]);
    expect(row.victim, said).toMatchObject({ lost: 0, doubled: 0, reordered: 0, disconnected: [] });
    expect(row.victim.during.echoes, said).toBeGreaterThan(0);
    // They were there.
    expect(Object.keys(row.endings).length, said).toBeGreaterThan(0);
  }
  expect(exitCode, stderr).toBe(rows.some(({ faults }) => faults.length > 0) ? 1 : 0);
}

// What a whole run leaves in bench/: a table with its circumstances, and a chart.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clone } from "../setup/cache.mjs";
import { cellsOf, headings } from "./cells.ts";
import { chartOf } from "./chart.ts";
import type { RowResult } from "./comparison.ts";
import { addFaults, faultsText, isFaultless, noFaults } from "./load/faults.ts";
import type { Provenance } from "./provenance.ts";
import { type Names, remarksOn } from "./remarks.ts";

export interface Results {
  readonly rows: readonly RowResult[];
  readonly names: Names;
  readonly provenance: Provenance;
}

/** @returns where it has written, relative to the clone. */
export function writeResults(results: Results): readonly string[] {
  const files = { "bench/results.md": markdownOf(results), "bench/results.svg": chartOf(results.rows) };
  mkdirSync(join(clone, "bench"), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(clone, file), text);
  return Object.keys(files);
}

export function markdownOf({ rows, names, provenance }: Results): string {
  const { command, commit, date, node, cores, cpu, system } = provenance;
  const faults = rows.reduce((sum, row) => addFaults(sum, row.faults), noFaults);
  return `# How fast

\`${command}\` on ${date}, commit ${commit}: Node ${node}, ${cores} cores (${cpu}), ${system}.

![Bars: thinstate's figures as a share of those of a bare uWebSockets.js server](results.svg)

${tableOf(rows, names)}

${[...remarksOn(rows, names), isFaultless(faults) ? "Lost, doubled, reordered, malformed, disconnected: 0." : `Faults: ${faultsText(faults)}.`].join("\n\n")}

## How to read it

- thinstate is a real installation: one gateway, nats-server and one worker, unless the row says otherwise. Bare is one process of
  uWebSockets.js that does the same by itself. Both share their cores with the load, which is one Node process.
- Each side was measured ${rows[0]?.times ?? 0} times, in turn, in fresh processes. The ratio is the median, with the least and the most; thinstate's and
  bare's own figures are medians.
- CPU of each (echo, delivery, connection) is the processor time of all serving processes together, thinstate's and bare's; CPU of the load is its share of a core,
  while thinstate and while bare was measured.
- A latency is counted from the moment at which a message was sent, at a rate that does not wait for answers.
`;
}

function tableOf(rows: readonly RowResult[], { subject, reference }: Names): string {
  const head = ["", ...headings(subject, reference)];
  const body = rows.flatMap((row) => row.figures.map((figure, index) => [index === 0 ? row.title : "", ...cellsOf(figure, rows)]));
  return [head, head.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

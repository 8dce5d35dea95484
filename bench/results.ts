// What a whole run leaves in bench/: a table with its circumstances, and a chart.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clone } from "../scripts/setup/cache.mjs";
import { cellsOf, headings } from "./cells.ts";
import { chartOf } from "./chart.ts";
import { isClean, type RowResult } from "./comparison.ts";
import type { Provenance } from "./provenance.ts";
import { type Names, remarksOn } from "./remarks.ts";

export interface UnmeasuredRow {
  readonly title: string;
  readonly why: string;
}

export interface Results {
  readonly rows: readonly RowResult[];
  /** What this machine cannot measure. */
  readonly unmeasured: readonly UnmeasuredRow[];
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

export function markdownOf({ rows, unmeasured, names, provenance }: Results): string {
  const { command, commit, date, node, cores, cpu, system } = provenance;
  const times = rows[0]?.times ?? 0;
  return `# How fast

\`${command}\` on ${date}, commit ${commit}: Node ${node}, ${cores} cores (${cpu}), ${system}.

![Bars: thinstate's figures as a share of those of a bare uWebSockets.js server](results.svg)

${tableOf(rows, names)}

${[...(rows.every(isClean) ? ["Lost, doubled, reordered, malformed, disconnected: 0."] : []), ...remarksOn(rows, names), ...unmeasured.map(notMeasured)].join("\n\n")}

## How to read it

- thinstate is a real installation: one gateway, nats-server and one worker, unless the row says otherwise. Bare is one process of
  uWebSockets.js that does the same alone. Both share the cores with the load, which is one Node process.
- Each side was measured ${times === 1 ? "once" : `${times} times`}, in turn, in fresh processes. The ratio is the median (lowest to highest); thinstate's and
  bare's own figures are medians, too.
- "CPU of each" is the processor time of one echo, delivery or connection, in all serving processes together: thinstate's, then bare's.
  "CPU of the load" is the load's share of one core, while thinstate was measured, then bare.
- Latency is measured from the moment when a message was sent, at a rate that does not wait for answers. For echoes, the first ten
  seconds do not count: V8 is still compiling.
- Memory is the growth of a process while the connections opened. It is negative if the process released more than they took; then there
  is no ratio.
`;
}

function notMeasured({ title, why }: UnmeasuredRow): string {
  return `Not measured: ${title}. ${why.replaceAll(/\s*\n\s*/g, " ")}`;
}

function tableOf(rows: readonly RowResult[], { subject, reference }: Names): string {
  const head = ["", ...headings(subject, reference)];
  const body = rows.flatMap((row) => row.figures.map((figure, index) => [index === 0 ? row.title : "", ...cellsOf(figure, rows)]));
  return [head, head.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

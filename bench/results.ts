// What a whole run leaves in bench/: a table with its circumstances, and a chart.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clone } from "../scripts/setup/cache.mjs";
import { cellsOf, headings } from "./cells.ts";
import { chartOf } from "./chart.ts";
import { isClean, type RowResult } from "./comparison.ts";
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
  const times = rows[0]?.times ?? 0;
  return `# How fast

\`${command}\` on ${date}, commit ${commit}: Node ${node}, ${cores} cores (${cpu}), ${system}.

![Bars: thinstate's figures as a share of those of a bare uWebSockets.js server](results.svg)

${tableOf(rows, names)}

${[...(rows.every(isClean) ? ["Lost, doubled, reordered, malformed, disconnected: 0."] : []), ...remarksOn(rows, names)].join("\n\n")}

## How to read it

- thinstate is a real installation: one gateway, nats-server and one worker, unless the row says otherwise. Bare is one process of
  uWebSockets.js that does the same by itself. Both share their cores with the load, which is one Node process.
- Each side was measured ${times === 1 ? "once" : `${times} times`}, in turn, in fresh processes. The ratio is the median (the least to the most); thinstate's and
  bare's own figures are medians, too.
- "CPU of each" is what an echo, a delivery or a connection takes of processor time, all serving processes together: thinstate's, bare's.
  "CPU of the load" is its share of one core, while thinstate and while bare was measured.
- A latency is counted from the moment at which a message was sent, at a rate that does not wait for answers;
  an echo's after ten seconds of that: until then V8 compiles.
- Memory is what a process has grown by while the connections opened. One that has given back more than they take has a negative
  figure, and there is no ratio to that.
`;
}

function tableOf(rows: readonly RowResult[], { subject, reference }: Names): string {
  const head = ["", ...headings(subject, reference)];
  const body = rows.flatMap((row) => row.figures.map((figure, index) => [index === 0 ? row.title : "", ...cellsOf(figure, rows)]));
  return [head, head.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

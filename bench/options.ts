// What the bench is asked for on its command line.

import { parseChosen, parseValues, parseWhole, UsageError } from "../process/arguments.ts";
import type { Row } from "./row.ts";
import { rows } from "./rows/list.ts";

export const usage = `npm run bench [-- options]

Measures thinstate against a bare uWebSockets.js server that does the same, on this machine, and prints the ratios. Both sides
run in turn, in fresh processes. A whole run takes about half an hour and writes bench/results.md and bench/results.svg; let the
machine do nothing else meanwhile. Exit code 1 if a message was lost, repeated or reordered, or a row could not be measured.

  --only ROW       only this row; may be repeated:
                   ${rows.map(({ name }) => name).join(", ")}
  --times N        how often to measure each side (3)
  --seconds S      how long each time (3)
  --write          write the results even if the run is not a whole one
  --against REF    measure the working tree against another commit instead of the bare server
  --json           print one line of JSON for each row, for programs`;

export interface Options {
  readonly chosen: readonly Row[];
  readonly times: number;
  readonly seconds: number;
  readonly isWritten: boolean;
  /** A git ref; undefined: the bare server. */
  readonly against: string | undefined;
  readonly isJson: boolean;
}

/** @returns undefined where help was asked for. @throws {UsageError} */
export function parseOptions(args: readonly string[]): Options | undefined {
  const values = parseValues(args, {
    only: { type: "string", multiple: true },
    times: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
    against: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) return undefined;
  const { only = [], against } = values;
  const chosen = parseChosen("row", only, rows);
  if (values.write && against !== undefined)
    throw new UsageError("--write keeps what is measured against the bare server, --against is not");
  return {
    chosen,
    times: parseWhole("times", values.times, 1),
    seconds: parseWhole("seconds", values.seconds, 1),
    isWritten: values.write || (only.length === 0 && against === undefined),
    against,
    isJson: values.json,
  };
}

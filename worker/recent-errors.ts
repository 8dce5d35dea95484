// The last errors that a worker has logged, for people who look at the dashboard: a gateway asks for them. Bounded in number and in size.
// Clients can cause errors, but not many lines of the log: see process/sparse-log.ts.

import { resolve } from "node:path";
import { errorCharacters, type LoggedError, mostErrors, stackCharacters } from "../process/scrape.ts";
import { isError, thrownMessage, thrownText, valueText } from "../process/thrown.ts";

/** Of a stack: below are frames of what called the handler. */
const stackLines = 8;
/** Of a line's fields. */
const mostFields = 8;

export interface RecentErrorsOptions {
  /** Where the worker runs: paths are told as they are within it. */
  readonly folder: string;
  /** Where handlers are, relative to it or absolute. */
  readonly handlersDirs: readonly string[];
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
}

export class RecentErrors {
  private readonly options: RecentErrorsOptions;
  private kept: LoggedError[] = [];
  private count = 0;

  constructor(options: RecentErrorsOptions) {
    this.options = options;
  }

  /** @param fields of a line of the log: `err` is what was thrown. */
  add(fields: Readonly<Record<string, unknown>>, text: string): void {
    const { err, ...rest } = fields;
    const { folder, handlersDirs, wallClock } = this.options;
    const stack = "err" in fields ? thrownText(err) : "";
    const place = isError(err) ? placeIn(stack, folder, handlersDirs) : undefined;
    const about = Object.entries(rest).slice(0, mostFields);
    this.kept.push({
      number: ++this.count,
      at: wallClock(),
      text: text.slice(0, errorCharacters),
      message: ("err" in fields ? thrownMessage(err) : "").slice(0, errorCharacters),
      stack: within(stack, folder).split("\n").slice(0, stackLines).join("\n").slice(0, stackCharacters),
      ...(place !== undefined && { place: place.slice(0, errorCharacters) }),
      about: Object.fromEntries(
        about.map(([name, value]) => [name, (typeof value === "string" ? value : valueText(value)).slice(0, errorCharacters)]),
      ),
    });
    if (this.kept.length > mostErrors) this.kept.shift();
  }

  /** Those with a higher number, the oldest first. */
  after(number: number): LoggedError[] {
    return this.kept.filter((error) => error.number > number);
  }
}

/**
 * The first place of a stack that is in the handlers' code; where there is none, the first in the clone that is none of ours.
 * @returns "worker/handlers/chat.ts:12:7", undefined where there is none.
 */
export function placeIn(stack: string, folder: string, handlersDirs: readonly string[]): string | undefined {
  const places = stack
    .split("\n")
    .flatMap(placesOf)
    .map(({ path, at }) => ({ path, text: `${within(path, folder)}${at}` }));
  const dirs = handlersDirs.map((dir) => `${resolve(folder, dir)}/`);
  const ofHandlers = places.find(({ path }) => dirs.some((dir) => path.startsWith(dir)));
  const ofOthers = places.find(({ path }) => path.startsWith(`${folder}/`) && !isOurs(path.slice(folder.length + 1)));
  return (ofHandlers ?? ofOthers)?.text;
}

/**
 * Of "    at onMessage (file:///srv/clone/worker/handlers/chat.ts:12:7)"; a loader may have put a query behind the path. A line may also be of
 * a message that quotes a client, so this takes no more time than it has characters.
 */
function placesOf(line: string): { readonly path: string; readonly at: string }[] {
  const [start] = /^ +at (?:async )?/.exec(line) ?? [];
  if (start === undefined) return [];
  const place = line.endsWith(")") ? line.slice(line.lastIndexOf("(") + 1, -1) : line.slice(start.length);
  const position = /:\d+:\d+$/.exec(place);
  const [path = ""] = place
    .slice(0, position?.index)
    .replace(/^file:\/\//, "")
    .split("?", 1);
  return position !== null && path.startsWith("/") ? [{ path, at: position[0] }] : [];
}

function isOurs(path: string): boolean {
  return ["worker", "protocol", "process", "nats"].includes(path.split("/", 1)[0] ?? "") || path.includes("node_modules/");
}

/** Paths as they are within the folder. */
function within(text: string, folder: string): string {
  return text.replaceAll(`file://${folder}/`, "").replaceAll(`${folder}/`, "");
}

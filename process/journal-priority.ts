// Lines for systemd's journal, which reads a line's priority from the line itself: then `journalctl -p warning` shows what matters.
// (Fields of its own would need a unix datagram socket, which Node.js does not have.)

import { fstatSync } from "node:fs";

/** pino's levels as syslog's. Source: sd-daemon(3). */
const priorities = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
] as const;
const debug = 7;

/**
 * Whether what is written to a descriptor goes to the journal.
 * @param journalStream JOURNAL_STREAM: the journal's end, which children inherit, as `device:inode`. Source: systemd.exec(5).
 */
export function isJournal(fd: number, journalStream: string | undefined): boolean {
  if (journalStream === undefined || journalStream === "") return false;
  try {
    const { dev, ino } = fstatSync(fd);
    return journalStream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** What begins a line of this level. */
export function priorityPrefix(level: number): string {
  const [, priority = debug] = priorities.find(([least]) => level >= least) ?? [];
  return `<${priority}>`;
}

/** A text of several lines, each with its prefix. */
export function withPriority(text: string, level: number): string {
  const prefix = priorityPrefix(level);
  return text.replace(/^(?=.)/gm, prefix);
}

// Something to watch: a log as a busy web server writes it, in colours, each line with its number.

import { constants } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setInterval } from "node:timers/promises";

/** In the folder that outlives releases; tests have none. */
export const webLogFile = join(process.env.SHARED_DIR ?? tmpdir(), "demo-web.log");

const rotateBytes = 16 * 1024 * 1024;
const writeMs = 50;
const askMs = 500;

export interface WebLogOptions {
  /** Lines a second, asked twice a second. Where that fails, the rate before goes on. */
  readonly rate: () => Promise<number>;
  readonly signal: AbortSignal;
}

/** Writes until the signal aborts, and then rejects with its reason. Goes on with the number that the file ends with. */
export async function writeWebLog(path: string, { rate, signal }: WebLogOptions): Promise<void> {
  let number = (await lastNumber(path)) ?? (await lastNumber(`${path}.1`)) ?? 0;
  let log = await openLog(path);
  let [perSecond, due, askedAt, wroteAt] = [0, 0, 0, performance.now()];
  try {
    for await (const _ of setInterval(writeMs, undefined, { signal })) {
      const now = performance.now();
      if (now - askedAt >= askMs) {
        askedAt = now;
        rate().then(
          (found) => (perSecond = found),
          () => undefined,
        );
      }
      // After a standstill a second's worth, and not all that was missed.
      due = Math.min(due + (perSecond * (now - wroteAt)) / 1000, Math.max(perSecond, 1));
      wroteAt = now;
      const count = Math.floor(due);
      due -= count;
      if (count === 0) continue;
      await log.appendFile(linesFrom(number + 1, count));
      number += count;
      if ((await log.stat()).size < rotateBytes) continue;
      await log.close();
      await rename(path, `${path}.1`);
      log = await openLog(path);
    }
  } finally {
    await log.close();
  }
}

/** Through no link that somebody has put there: anybody may write in a folder for temporary files. */
function openLog(path: string): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  return open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o600);
}

async function lastNumber(path: string): Promise<number | undefined> {
  const log = await open(path).catch(() => undefined);
  if (log === undefined) return undefined;
  try {
    const { size } = await log.stat();
    const { buffer, bytesRead } = await log.read(Buffer.alloc(4096), 0, 4096, Math.max(0, size - 4096));
    const [, found] = [...buffer.toString("latin1", 0, bytesRead).matchAll(/#(\d+)/g)].at(-1) ?? [];
    return found === undefined ? undefined : Number(found);
  } finally {
    await log.close();
  }
}

const requests = [
  "GET /",
  "GET /shop/17",
  "GET /cafés/Zürich?page=2",
  "POST /login",
  "PUT /cart/☕",
  "GET /img/logo.svg",
  "DELETE /cart/3",
];
const statuses = [200, 200, 200, 200, 200, 204, 301, 304, 404, 500];
/** As terminals number them, by the status' first digit: green, cyan, yellow, red. */
const colours = [0, 0, 32, 36, 33, 31];

function linesFrom(first: number, count: number): string {
  const at = new Date().toISOString();
  return Array.from({ length: count }, (_, index) => `${lineOf(first + index, at)}\n`).join("");
}

function lineOf(number: number, at: string): string {
  const [method, path] = (pick(requests) ?? "").split(" ");
  const status = pick(statuses) ?? 200;
  const ms = Math.ceil(Math.random() ** 4 * 400);
  const client = `203.0.113.${number % 256}`;
  const code = `\u001b[${colours[Math.floor(status / 100)]}m${status}\u001b[0m`;
  return `\u001b[2m${at}\u001b[0m ${client} \u001b[1m${method}\u001b[0m ${path} ${code} ${ms} ms \u001b[2m#${number}\u001b[0m`;
}

function pick<T>(from: readonly T[]): T | undefined {
  return from[Math.floor(Math.random() * from.length)];
}

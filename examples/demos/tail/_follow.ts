// Reads a log on from a place: whole lines, a bounded piece at a time, through rotation and truncation. It keeps nothing itself.

import { type FileHandle, open } from "node:fs/promises";

/** What one call returns at most. */
const pieceBytes = 64 * 1024;
/** Who is further behind than this goes on with the last piece. */
const behindBytes = 1024 * 1024;
/** What is skipped is read, for its lines to be counted: so much of it. */
const countedBytes = 16 * 1024 * 1024;
const lineBytes = 16 * 1024;
const newline = 10;

/** Where somebody is in the log. */
export interface Place {
  /** Which file: a log that is rotated has its name only for a while. */
  readonly file: string;
  readonly offset: number;
  /** In a line that was too long: its beginning was told, its rest is passed over. */
  readonly inLongLine: boolean;
}

export interface News {
  /** Where to go on. undefined: there is no file yet. */
  readonly place: Place | undefined;
  readonly lines: readonly string[];
  /** So many lines were skipped, since the reader had fallen behind. */
  readonly dropped: number;
  /** More than those, which nobody has counted: they were too many, or their file is gone. */
  readonly isMore: boolean;
}

const nothing = { lines: [], dropped: 0, isMore: false };

/**
 * @param path The log. One that is rotated goes on in a new file, and the one before is `path` with `.1`, as logrotate has it.
 * @param place undefined: begins with the last piece.
 * @throws the system's error where the file cannot be read.
 */
export async function readOn(path: string, place: Place | undefined): Promise<News> {
  const log = await LogFile.open(path);
  if (log === undefined) return { ...nothing, place };
  try {
    if (place === undefined) return await log.readOn(log.lastPiece());
    if (place.file === log.id && place.offset <= log.size) return await log.readOn(place);
    const begin = { file: log.id, offset: 0, inLongLine: false };
    const before = place.file === log.id ? undefined : await restOf(`${path}.1`, place);
    if (before === "gone" || before === undefined) {
      const news = await log.readOn(begin);
      return { ...news, isMore: true };
    }
    return before === "read" ? await log.readOn(begin) : before;
  } finally {
    await log.close();
  }
}

/** What is left of a file that was rotated. */
async function restOf(path: string, place: Place): Promise<News | "read" | "gone"> {
  const log = await LogFile.open(path);
  if (log === undefined) return "gone";
  try {
    if (log.id !== place.file) return "gone";
    return place.offset >= log.size ? "read" : await log.readOn(place, true);
  } finally {
    await log.close();
  }
}

class LogFile {
  readonly id: string;
  readonly size: number;
  private readonly handle: FileHandle;

  constructor(id: string, size: number, handle: FileHandle) {
    this.id = id;
    this.size = size;
    this.handle = handle;
  }

  static async open(path: string): Promise<LogFile | undefined> {
    const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (handle === undefined) return undefined;
    const { ino, birthtimeMs, size } = await handle.stat();
    // An inode's number is soon another file's.
    return new LogFile(`${ino}-${birthtimeMs}`, size, handle);
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  lastPiece(): Place {
    return { file: this.id, offset: Math.max(0, this.size - pieceBytes), inLongLine: this.size > pieceBytes };
  }

  /** @param isWhole Nothing will be written to it any more: its last line may have no end. */
  async readOn(place: Place, isWhole = false): Promise<News> {
    if (this.size - place.offset <= behindBytes) return { ...nothing, ...(await this.piece(place, isWhole)) };
    // The line that the last piece begins in is dropped, too.
    const last = this.lastPiece();
    const { lines, isMore } = await this.countLines(place.offset, last.offset);
    const dropped = lines + (place.inLongLine ? 0 : 1);
    return { ...(await this.piece(last, isWhole)), dropped, isMore };
  }

  private async piece({ offset, inLongLine }: Place, isWhole: boolean): Promise<Pick<News, "place" | "lines">> {
    const bytes = await this.read(offset, pieceBytes);
    const at = (end: number, isInLine = false) => ({ file: this.id, offset: offset + end, inLongLine: isInLine });
    const begin = inLongLine ? bytes.indexOf(newline) + 1 : 0;
    if (inLongLine && begin === 0) return { place: at(bytes.length, true), lines: [] };
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > begin) return { place: at(end), lines: linesOf(bytes.subarray(begin, end - 1)) };
    if (bytes.length === pieceBytes && begin === 0) return { place: at(bytes.length, true), lines: linesOf(bytes) };
    if (isWhole && bytes.length > begin) return { place: at(bytes.length), lines: linesOf(bytes.subarray(begin)) };
    return { place: at(begin), lines: [] };
  }

  private async countLines(from: number, to: number): Promise<{ lines: number; isMore: boolean }> {
    const end = Math.min(to, from + countedBytes);
    let lines = 0;
    for (let offset = from; offset < end; ) {
      const bytes = await this.read(offset, Math.min(behindBytes, end - offset));
      if (bytes.length === 0) break;
      for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) lines++;
      offset += bytes.length;
    }
    return { lines, isMore: end < to };
  }

  private async read(offset: number, length: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.handle.read(Buffer.allocUnsafe(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }
}

/** @param bytes Without the last newline. */
function linesOf(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let begin = 0; begin <= bytes.length; ) {
    const next = bytes.indexOf(newline, begin);
    const end = next === -1 ? bytes.length : next;
    lines.push(lineOf(bytes.subarray(begin, end)));
    begin = end + 1;
  }
  return lines;
}

function lineOf(bytes: Buffer): string {
  if (bytes.length <= lineBytes) return bytes.toString();
  let end = lineBytes;
  // Not inside a character: all bytes of one but the first begin with the bits 10.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString("utf8", 0, end)} … (cut after ${lineBytes / 1024} KiB)`;
}

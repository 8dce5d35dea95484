// A frame as the body of an HTTP answer has it: with what its handler wants around it. Pure.

import type { ReceiveBody } from "../../protocol/session.ts";
import type { Frame } from "./frame-queue.ts";

export type FrameFormat = Pick<ReceiveBody, "before" | "between" | "after" | "escape" | "binaryBefore" | "join">;

export interface WrittenFrame {
  readonly bytes: Buffer;
  /** Frames that it is made of: several where they were joined. */
  readonly frames: number;
}

/**
 * The next of the frames that wait, with those behind it that are joined to it.
 * @param waiting The frame at an index; undefined: no more wait.
 * @param isFirst Of the answer: nothing stands between it and one before.
 * @param mostBytes No frame is joined once it has so many.
 */
export function writeFrame(
  waiting: (index: number) => Frame | undefined,
  format: FrameFormat,
  { isFirst, mostBytes }: { readonly isFirst: boolean; readonly mostBytes: number },
): WrittenFrame | undefined {
  const frame = waiting(0);
  if (frame === undefined) return undefined;
  const { before = "", after = "", between = "" } = format;
  const { text, frames } = textOf(frame, waiting, format, mostBytes);
  return { bytes: Buffer.from(`${isFirst ? "" : between}${before}${escaped(text, format.escape)}${after}`), frames };
}

function textOf(
  { data, isBinary }: Frame,
  waiting: (index: number) => Frame | undefined,
  { binaryBefore = "", join }: FrameFormat,
  mostBytes: number,
): { text: string; frames: number } {
  if (isBinary) return { text: `${binaryBefore}${bufferOf(data).toString("base64")}`, frames: 1 };
  const text = bufferOf(data).toString();
  const first = join && inside(text, join);
  if (join === undefined || first === undefined) return { text, frames: 1 };
  const parts = [first];
  let bytes = data.length;
  for (let next = waiting(parts.length); next !== undefined && !next.isBinary && bytes < mostBytes; next = waiting(parts.length)) {
    const part = inside(bufferOf(next.data).toString(), join);
    if (part === undefined) break;
    parts.push(part);
    bytes += next.data.length;
  }
  return { text: `${join.begin}${parts.join(join.between)}${join.end}`, frames: parts.length };
}

/** What stands between begin and end; undefined where the frame is no such one. */
function inside(text: string, { begin, end }: { readonly begin: string; readonly end: string }): string | undefined {
  if (text.length < begin.length + end.length || !text.startsWith(begin) || !text.endsWith(end)) return undefined;
  return text.slice(begin.length, text.length - end.length);
}

function escaped(text: string, how: FrameFormat["escape"]): string {
  // In a script of an HTML page, `</script>` would end it; what ends a line in older JavaScript is none in JSON.
  if (how === "json")
    return JSON.stringify(text)
      .slice(1, -1)
      .replace(/[<\u2028\u2029]/g, unicode);
  return how === "percent" ? text.replaceAll("%", "%25") : text;
}

function unicode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

// Frames that belong together, in the payload of one record: a client gets them one behind the other, with nothing between them.
// docs/wire.md tells the same in prose.

import { CodedError } from "./errors.ts";

/** One, and so many that belong to it. */
export const togetherLimit = 1 + 64;

export interface OneFrame {
  readonly data: Uint8Array;
  readonly isBinary: boolean;
}

/** Before each frame: u8 1 where it is binary, u32 bytes. */
const headBytes = 5;

/** @param frames From 1 to `togetherLimit`. */
export function encodeTogether(frames: readonly OneFrame[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(frames.reduce((sum, { data }) => sum + headBytes + data.length, 0));
  let at = 0;
  for (const { data, isBinary } of frames) {
    bytes.writeUInt8(isBinary ? 1 : 0, at);
    bytes.writeUInt32LE(data.length, at + 1);
    bytes.set(data, at + headBytes);
    at += headBytes + data.length;
  }
  return bytes;
}

/** @returns views of the payload. @throws {CodedError} "envelope.malformed" */
export function decodeTogether(payload: Uint8Array): OneFrame[] {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const frames: OneFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < headBytes) throw malformed("end within one");
    const from = at + headBytes;
    const to = from + bytes.readUInt32LE(at + 1);
    if (to > bytes.length) throw malformed("end within one");
    frames.push({ data: bytes.subarray(from, to), isBinary: bytes[at] === 1 });
    at = to;
  }
  if (frames.length === 0 || frames.length > togetherLimit) throw malformed(`are ${frames.length}, not 1 to ${togetherLimit}`);
  return frames;
}

function malformed(what: string): CodedError {
  return new CodedError("envelope.malformed", `frames that belong together ${what}`);
}

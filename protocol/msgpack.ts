// Values as msgpack: plain maps instead of msgpackr's record extension, so that what is on the wire can be read in any language.

import { Packr } from "msgpackr";
import { CodedError } from "./errors.ts";

const packr = new Packr({ useRecords: false });

/** A value as msgpack. The bytes are the caller's own. */
export function packValue(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** @throws {CodedError} "envelope.malformed" */
export function unpackValue(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw new CodedError("envelope.malformed", "not msgpack", { cause });
  }
}

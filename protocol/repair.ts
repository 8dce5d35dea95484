// How a gateway asks the others for batches of topics that it has missed: not a record but a message of its own.

import * as v from "valibot";
import { protocolVersion } from "./envelope.ts";
import { CodedError } from "./errors.ts";
import { packValue, unpackValue } from "./msgpack.ts";

const repair = v.object({
  /** Who asks. */
  to: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/)),
  /** Its requests in order: the answer's end has the same number. */
  number: v.optional(v.number(), 0),
  /**
   * Topics, the last batch of each gateway that it has, and, for those of which it has none, since when it may lack some
   * (milliseconds since 1970: an age would grow on its way). Clocks that differ matter to these only.
   */
  topics: v.array(v.object({ topic: v.string(), since: v.number(), seen: v.record(v.string(), v.number()) })),
});

export type RepairBody = v.InferOutput<typeof repair>;

/** One version byte, the letter R, then msgpack. */
export function encodeRepair(body: RepairBody): Uint8Array {
  return Buffer.concat([Buffer.from([protocolVersion, 0x52]), packValue(body)]);
}

/** @throws {CodedError} "envelope.version" or "envelope.malformed" */
export function parseRepair(bytes: Uint8Array): RepairBody {
  if (bytes.length < 3 || bytes[1] !== 0x52) throw new CodedError("envelope.malformed", "not a request for repair");
  if (bytes[0] !== protocolVersion) throw new CodedError("envelope.version", `request for repair of version ${bytes[0]}`);
  const parsed = v.safeParse(repair, unpackValue(bytes.subarray(2)));
  if (parsed.success) return parsed.output;
  throw new CodedError("envelope.malformed", `a request for repair: ${parsed.issues[0]?.message}`);
}

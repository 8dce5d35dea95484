// What the msgpack bodies of records are made of, and how one is read.

import * as v from "valibot";
import { CodedError } from "./errors.ts";
import { unpackValue } from "./msgpack.ts";

export const bytes = v.custom<Uint8Array>((value) => value instanceof Uint8Array, "bytes");

/** Kept for longer than what it has come in, all of which a view would keep. */
export const ownBytes = v.pipe(
  bytes,
  v.transform((view): Uint8Array => new Uint8Array(view)),
);

export const length = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Its parser throws CodedError "envelope.malformed" and nothing else. */
export function parser<S extends v.GenericSchema>(schema: S): (bytes: Uint8Array) => v.InferOutput<S> {
  return (bytes) => {
    const parsed = v.safeParse(schema, unpackValue(bytes));
    if (parsed.success) return parsed.output;
    throw new CodedError("envelope.malformed", `a record's body: ${parsed.issues[0]?.message}`);
  };
}

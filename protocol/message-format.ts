// Messages that are no records, on subjects of their own: one version byte, a letter that says what it is, then msgpack.

import * as v from "valibot";
import { protocolVersion } from "./envelope.ts";
import { CodedError } from "./errors.ts";
import { packValue, unpackValue } from "./msgpack.ts";

export interface MessageFormat<Body> {
  readonly encode: (body: Body) => Uint8Array;
  /** @throws {CodedError} "envelope.version" or "envelope.malformed" */
  readonly parse: (bytes: Uint8Array) => Body;
}

/**
 * @param letter One ASCII character, which no other message on the same subject has.
 * @param what For people, in errors: "of a session".
 */
export function messageFormat<S extends v.GenericSchema>(
  letter: string,
  what: string,
  schema: S,
): MessageFormat<Readonly<v.InferOutput<S>>> {
  const head = Buffer.from([protocolVersion, letter.charCodeAt(0)]);
  return {
    encode: (body) => Buffer.concat([head, packValue(body)]),
    parse: (bytes) => {
      if (bytes.length < 3 || bytes[1] !== head[1]) throw new CodedError("envelope.malformed", `not ${what}`);
      if (bytes[0] !== head[0]) throw new CodedError("envelope.version", `${what}: version ${bytes[0]}`);
      const parsed = v.safeParse(schema, unpackValue(bytes.subarray(2)));
      if (parsed.success) return parsed.output;
      const [issue] = parsed.issues;
      throw new CodedError("envelope.malformed", `${what}: ${v.getDotPath(issue)}: ${issue.message}`);
    },
  };
}

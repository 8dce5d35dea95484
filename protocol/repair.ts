// How a gateway asks the others for batches of topics that it has missed: not a record but a message of its own.

import * as v from "valibot";
import { messageFormat } from "./message-format.ts";

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

export const { encode: encodeRepair, parse: parseRepair } = messageFormat("R", "a request for repair", repair);

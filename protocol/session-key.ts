// The key of a session over HTTP: known to its client and its handler alone, and part of a subject of NATS.

import * as v from "valibot";

/** Of its UTF-8. */
export const sessionKeyBytes = 128;

export const sessionKey = v.pipe(
  v.string(),
  v.check((text) => text !== "" && Buffer.byteLength(text) <= sessionKeyBytes && text.isWellFormed(), "a key"),
);

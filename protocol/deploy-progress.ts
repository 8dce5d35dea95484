// What a deploy or a rollback is doing, as whoever runs it tells: for people who look, nothing depends on it. Each message has all of it
// so far, so that one may be lost, and whoever comes late has it whole.

import * as v from "valibot";
import { messageFormat } from "./message-format.ts";

/** Further steps are not told. */
export const mostSteps = 40;
/** Of one text, in UTF-16 code units: a step, and how it came out. */
export const stepCharacters = 400;
export const outcomeCharacters = 4_000;

const at = v.pipe(v.number(), v.finite());

const step = v.object({
  text: v.pipe(v.string(), v.maxLength(stepCharacters)),
  /** note: something to know besides; it takes no time. */
  state: v.picklist(["running", "done", "failed", "note"]),
  at,
  /** Milliseconds that it took, or has taken so far. */
  ms: v.number(),
});

const progress = v.object({
  /** Of this deploy. */
  id: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/)),
  what: v.picklist(["deploy", "rollback"]),
  /** Who asked for it, for people: "ada (process 12)". */
  by: v.pipe(v.string(), v.maxLength(stepCharacters)),
  /** Milliseconds since 1970, of its clock. */
  startedAt: at,
  steps: v.pipe(v.array(step), v.maxLength(mostSteps)),
  /** Missing: it goes on. */
  outcome: v.optional(
    v.object({
      /** serves: what it is about. refused: nothing has changed. rolledBack: it was active, and is no more. failed: it stays active, for want of another. */
      kind: v.picklist(["serves", "refused", "rolledBack", "failed"]),
      text: v.pipe(v.string(), v.maxLength(outcomeCharacters)),
      at,
    }),
  ),
});

export type DeployProgress = Readonly<v.InferOutput<typeof progress>>;
export type DeployStep = DeployProgress["steps"][number];
export type DeployOutcome = NonNullable<DeployProgress["outcome"]>;

export const { encode: encodeDeployProgress, parse: parseDeployProgress } = messageFormat("D", "of a deploy", progress);

// What workers ask of gateways outside of turns, app.*, and what these answer: the bodies of `command` and `result`. docs/wire.md tells the
// same in prose.

import * as v from "valibot";
import { failedSchema } from "./failed.ts";
import { historySchema, lastSchema, retentionSchema } from "./history.ts";
import { lockNameBytes } from "./lock-value.ts";
import { exceptLimit } from "./payloads.ts";
import { bytes, length, parser } from "./record-body.ts";
import { isTopic } from "./subjects.ts";

/** Bytes of a lease's key. */
const leaseKeyLimit = 2048;

const topic = v.pipe(v.string(), v.check(isTopic, "a topic"));
const lockName = v.pipe(v.string(), v.nonEmpty(), v.maxBytes(lockNameBytes));
const except = v.pipe(v.array(v.pipe(v.string(), v.maxLength(255))), v.maxLength(exceptLimit));

/** By which lease a task asks for something, and how often that has been taken. */
const fence = v.tuple([v.pipe(v.string(), v.maxLength(leaseKeyLimit)), length]);
/** Of what changes something. */
const fenced = { fence: v.optional(fence) };
/** `data` is as encodeTogether has it. */
const joined = { together: v.optional(v.boolean()) };

export const command = v.variant("kind", [
  v.object({
    kind: v.literal("publish"),
    topic,
    data: bytes,
    binary: v.boolean(),
    except: v.optional(except),
    keep: v.optional(retentionSchema),
    ...joined,
    ...fenced,
  }),
  v.object({ kind: v.literal("history"), topic, last: lastSchema }),
  v.object({ kind: v.literal("send"), connection: v.string(), data: bytes, binary: v.boolean(), ...joined, ...fenced }),
  v.object({ kind: v.literal("close"), connection: v.string(), code: v.number(), reason: v.string(), ...fenced }),
  v.object({ kind: v.literal("closeUser"), user: v.string(), code: v.number(), reason: v.string(), ...fenced }),
  /** Who is there, from this slot on. */
  v.object({ kind: v.literal("connections"), from: length }),
  /** The same of one user. */
  v.object({ kind: v.literal("userConnections"), user: v.string(), from: length }),
  /** Who is a member of a topic, behind this number of its members; at most `limit` of them, where there is one. */
  v.object({ kind: v.literal("members"), topic, after: length, limit: v.optional(length) }),
  /** How much there is; asked by gateways only. */
  v.object({ kind: v.literal("counts") }),
  v.object({ kind: v.literal("sendToUser"), user: v.string(), data: bytes, binary: v.boolean(), ...joined, ...fenced }),
  /** A lock for a connection, until the turn that asks for it has committed without `keepLock`. Answered by its fence; 0: others have it. */
  v.object({ kind: v.literal("lock"), connection: v.string(), name: lockName, waitMs: length }),
  /** A task begins: nothing of this lease with a lower fence is carried out from now on. */
  v.object({ kind: v.literal("fence"), fence }),
]);

/** Some of a gateway's open connections. */
const open = v.object({
  open: v.array(v.object({ id: v.string(), path: v.string(), user: v.optional(v.string()) })),
  /** The slot to go on with; missing: that was all. */
  next: v.optional(v.number()),
});

/** Some of a topic's members, in their order, by column: they may be many. users: empty for none; info: JSON; since: ms since 1970. */
const members = v.object({
  ids: listOf<string>("string"),
  users: listOf<string>("string"),
  info: listOf<string>("string"),
  since: listOf<number>("number"),
  /** The number to go on behind; missing: that was all. */
  next: v.optional(length),
});

/** Open connections of a gateway, and the topics that they subscribe to. */
const counts = v.object({ connections: length, topics: length });

/** It was refused: another worker has the task's lease. */
const refused = v.object({ refused: v.literal("task.over") });

export const result = v.union([v.number(), open, members, counts, refused, historySchema, failedSchema]);

export type CommandBody = v.InferOutput<typeof command>;
export type FenceBody = v.InferOutput<typeof fence>;
export type OpenBody = v.InferOutput<typeof open>;
export type MembersBody = v.InferOutput<typeof members>;
export type CountsBody = v.InferOutput<typeof counts>;
export type ResultBody = v.InferOutput<typeof result>;

/** Each throws CodedError "envelope.malformed" and nothing else. */
export const parseCommand = parser(command);
export const parseResult = parser(result);

function listOf<Item>(type: "string" | "number"): v.GenericSchema<Item[]> {
  return v.custom<Item[]>((value) => Array.isArray(value) && value.every((item) => typeof item === type), `a list of ${type}s`);
}

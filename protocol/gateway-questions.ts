// What a gateway asks another one of that one's clients, and is answered: not records but messages of their own. At most once: whoever
// hears no answer asks again, with `once`.

import * as v from "valibot";
import { type CommandBody, command, result } from "./commands.ts";
import { memberId } from "./membership.ts";
import { messageFormat } from "./message-format.ts";

/** What one gateway asks another: workers ask for more. */
export type GatewayCommand = Extract<CommandBody, { kind: "sendToUser" | "closeUser" | "members" | "counts" }>;

const kinds: readonly string[] = ["sendToUser", "closeUser", "members", "counts"] satisfies Array<GatewayCommand["kind"]>;
const gatewayCommand = v.pipe(
  command,
  v.check(({ kind }) => kinds.includes(kind), "a command of gateways"),
  v.transform((body) => body as GatewayCommand),
);

/** Which call this is: a gateway that has done it answers as before. */
const once = v.object({
  /** The same for each try of a call. */
  name: v.pipe(v.string(), v.maxLength(512)),
  /** Another one is another call, which has taken this name by mistake. */
  fingerprint: v.pipe(v.string(), v.maxLength(64)),
});

const id = v.pipe(v.string(), v.regex(memberId));

const question = v.object({
  /** The gateway that asks. */
  from: id,
  /** Comes back with the answer. */
  number: v.number(),
  command: gatewayCommand,
  /** Missing: it is done each time. */
  once: v.optional(once),
});

const answer = v.object({
  /** The gateway that answers. */
  from: id,
  number: v.number(),
  /** "taken": another call had this name, and nothing was done. */
  result: v.union([result, v.literal("taken")]),
});

export type Once = Readonly<v.InferOutput<typeof once>>;
export type GatewayQuestion = Readonly<v.InferOutput<typeof question>>;
export type GatewayAnswer = Readonly<v.InferOutput<typeof answer>>;

export const { encode: encodeQuestion, parse: parseQuestion } = messageFormat("G", "a question between gateways", question);
export const { encode: encodeAnswer, parse: parseAnswer } = messageFormat("g", "an answer between gateways", answer);

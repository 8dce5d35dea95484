// What a gateway asks another one of that one's clients, and is answered: not records but messages of their own. At most once: whoever
// hears no answer asks again, with `once`.

import * as v from "valibot";
import { type CommandBody, command, result } from "./commands.ts";
import { protocolVersion } from "./envelope.ts";
import { CodedError } from "./errors.ts";
import { memberId } from "./membership.ts";
import { packValue, unpackValue } from "./msgpack.ts";

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

/** "G" and "g": question and answer. */
const letterOf = { question: 0x47, answer: 0x67 } as const;

export function encodeQuestion(body: GatewayQuestion): Uint8Array {
  return encode(letterOf.question, body);
}

export function encodeAnswer(body: GatewayAnswer): Uint8Array {
  return encode(letterOf.answer, body);
}

/** @throws {CodedError} "envelope.version" or "envelope.malformed" */
export function parseQuestion(bytes: Uint8Array): GatewayQuestion {
  return parse(question, letterOf.question, bytes);
}

/** @throws {CodedError} "envelope.version" or "envelope.malformed" */
export function parseAnswer(bytes: Uint8Array): GatewayAnswer {
  return parse(answer, letterOf.answer, bytes);
}

function encode(letter: number, body: unknown): Uint8Array {
  return Buffer.concat([Buffer.from([protocolVersion, letter]), packValue(body)]);
}

function parse<S extends v.GenericSchema>(schema: S, letter: number, bytes: Uint8Array): v.InferOutput<S> {
  if (bytes.length < 3 || bytes[1] !== letter) throw new CodedError("envelope.malformed", "not between gateways");
  if (bytes[0] !== protocolVersion) throw new CodedError("envelope.version", `between gateways: version ${bytes[0]}`);
  const parsed = v.safeParse(schema, unpackValue(bytes.subarray(2)));
  if (parsed.success) return parsed.output;
  throw new CodedError("envelope.malformed", `between gateways: ${v.getDotPath(parsed.issues[0])}: ${parsed.issues[0].message}`);
}

// The messages of WAMP 2 by the names of its specification, and what each has to look like. Pure.
// Source: the WAMP protocol, https://wamp-proto.org/wamp_latest_ietf.html; sections are named beside.

import { isId } from "./identifiers.ts";

export type WampMessage = readonly [type: number, ...elements: readonly unknown[]];
export type Dict = Readonly<Record<string, unknown>>;
/** Arguments and ArgumentsKw, as far as there are any; or the one binary of a payload that the router does not look into. */
export type Payload = readonly unknown[];

/**
 * Each message's code, and what follows it, in the specification's notation; `…` is an optional payload. "Message Definitions", "Message
 * Codes and Direction", and the sections beside.
 */
const definitions = {
  HELLO: [1, "Realm|uri Details|dict"], // "Session Establishment"
  WELCOME: [2, "Session|id Details|dict"],
  ABORT: [3, "Details|dict Reason|uri …"],
  CHALLENGE: [4, "AuthMethod|string Extra|dict"], // "Authentication Methods"
  AUTHENTICATE: [5, "Signature|string Extra|dict"],
  GOODBYE: [6, "Details|dict Reason|uri"], // "Session Closing"
  ERROR: [8, "REQUEST.Type|integer REQUEST.Request|id Details|dict Error|uri …"],
  PUBLISH: [16, "Request|id Options|dict Topic|uri …"], // "Publishing and Events"
  PUBLISHED: [17, "PUBLISH.Request|id Publication|id"],
  SUBSCRIBE: [32, "Request|id Options|dict Topic|uri"], // "Subscribing and Unsubscribing"
  SUBSCRIBED: [33, "SUBSCRIBE.Request|id Subscription|id"],
  UNSUBSCRIBE: [34, "Request|id SUBSCRIBED.Subscription|id"],
  UNSUBSCRIBED: [35, "UNSUBSCRIBE.Request|id"],
  EVENT: [36, "SUBSCRIBED.Subscription|id PUBLISHED.Publication|id Details|dict …"],
  EVENT_RECEIVED: [337, "EVENT.Publication|id"], // only in the test vectors: known, not taken
  CALL: [48, "Request|id Options|dict Procedure|uri …"], // "Calling and Invocations"
  CANCEL: [49, "CALL.Request|id Options|dict"], // "Call Canceling"
  RESULT: [50, "CALL.Request|id Details|dict …"],
  REGISTER: [64, "Request|id Options|dict Procedure|uri"], // "Registering and Unregistering"
  REGISTERED: [65, "REGISTER.Request|id Registration|id"],
  UNREGISTER: [66, "Request|id REGISTERED.Registration|id"],
  UNREGISTERED: [67, "UNREGISTER.Request|id"],
  INVOCATION: [68, "Request|id REGISTERED.Registration|id Details|dict …"],
  INTERRUPT: [69, "INVOCATION.Request|id Options|dict"], // "Call Canceling"
  YIELD: [70, "INVOCATION.Request|id Options|dict …"],
} as const;

type Definitions = typeof definitions;
type MessageName = keyof Definitions;
interface Kinds extends Record<"id" | "integer", number>, Record<"uri" | "string", string> {
  dict: Dict;
}
type Element<Text> = Text extends `${string}|${infer Kind extends keyof Kinds}` ? Kinds[Kind] : never;
type Elements<Format> = Format extends `${infer First} ${infer Rest}`
  ? readonly [Element<First>, ...Elements<Rest>]
  : Format extends "…"
    ? Payload
    : readonly [Element<Format>];
/** A message as its definition has it: `MessageOf<"UNSUBSCRIBE">` is `readonly [34, number, number]`. */
export type MessageOf<Name extends MessageName> = readonly [Definitions[Name][0], ...Elements<Definitions[Name][1]>];
export type AnyMessage = { [Name in MessageName]: MessageOf<Name> }[MessageName];

/** The codes by their names. */
export const type = Object.fromEntries(Object.entries(definitions).map(([name, [code]]) => [name, code])) as {
  readonly [Name in MessageName]: Definitions[Name][0];
};
const formats = new Map<unknown, ReturnType<typeof formatOf>>(Object.values(definitions).map(([code, text]) => [code, formatOf(text)]));

function formatOf(text: string) {
  const elements = text.split(" ").filter((element) => element !== "…");
  return { text, hasPayload: text.endsWith("…"), elements: elements.map((element) => element.split("|") as [name: string, kind: string]) };
}

const isText = (value: unknown) => typeof value === "string";
const isListOf = (is: (value: unknown) => boolean) => (value: unknown) => Array.isArray(value) && value.every(is);
const isOneOf = (all: string) => (value: unknown) => all.split(" ").includes(value as string);
const kinds: Readonly<Record<string, (value: unknown) => boolean>> = {
  ...{ id: isId, uri: isText, string: isText, dict: isDict, bool: (value) => typeof value === "boolean" },
  integer: (value) => Number.isInteger(value) && (value as number) >= 0,
  ...{ ids: isListOf(isId), strings: isListOf(isText), dicts: isListOf(isDict) },
  match: isOneOf("exact prefix wildcard"),
  invoke: isOneOf("single first last random roundrobin"),
  mode: isOneOf("skip kill killnowait"),
  enc_algo: isOneOf("cryptobox mqtt xbr"),
  enc_serializer: isOneOf("json msgpack cbor ubjson flatbuffers opaque"),
};

/** What Options and Details may have: by kind, the same in all messages. Others are ignored. "Extensibility" */
const attributes = {
  bool: "acknowledge exclude_me disclose_me disclose_caller retain get_retained retained x_acknowledged_delivery receive_progress progress",
  ...{ id: "publisher caller", ids: "exclude eligible", integer: "timeout", dict: "roles authextra", dicts: "forward_for" },
  string: "publisher_authid publisher_authrole caller_authid caller_authrole topic procedure transaction_hash authid",
  strings: "exclude_authid exclude_authrole eligible_authid eligible_authrole authmethods",
  ...{ match: "match", invoke: "invoke", mode: "mode", enc_algo: "enc_algo", enc_serializer: "enc_serializer" },
};
const kindOf = new Map(Object.entries(attributes).flatMap(([kind, names]) => names.split(" ").map((name) => [name, kind] as const)));

/** @returns what is wrong with it, in words; undefined where it is a message of WAMP. "Protocol Errors" */
export function violationOf(message: unknown): string | undefined {
  if (!Array.isArray(message) || message.length === 0) return "a message is a list that begins with its type";
  const format = formats.get(message[0]);
  if (format === undefined) return `there is no message type ${Number.isInteger(message[0]) ? message[0] : "that is not a whole number"}`;
  const { text, elements, hasPayload } = format;
  const required = elements.length;
  const given = message.length - 1;
  if (given < required || given > required + (hasPayload ? 2 : 0)) return `message type ${message[0]} is ${text}, not ${given} elements`;
  for (let index = 0; index < required; index++) {
    const [name, kind] = elements[index] as (typeof elements)[number];
    if (kinds[kind]?.(message[index + 1]) !== true) return `${name} is of kind ${kind}`;
    const wrong = kind === "dict" ? attributeViolation(message[index + 1], message[0] === type.HELLO) : undefined;
    if (wrong !== undefined) return wrong;
  }
  const [args, kwargs] = message.slice(required + 1);
  const isOpaque = given === required + 1 && (isText(args) || args instanceof Uint8Array);
  const passesThrough = isOpaque && message.some((element) => isDict(element) && "enc_algo" in element);
  if (given > required && !Array.isArray(args) && !passesThrough) return "Arguments is of kind list";
  return given > required + 1 && !isDict(kwargs) ? "ArgumentsKw is of kind dict" : undefined;
}

/** Clients say in HELLO with null what they do not say. */
function attributeViolation(dict: Dict, mayBeNull: boolean): string | undefined {
  for (const [name, value] of Object.entries(dict)) {
    const kind = kindOf.get(name);
    const isMissing = value === undefined || (mayBeNull && value === null);
    if (kind !== undefined && !isMissing && !kinds[kind]?.(value)) return `${name} is not of kind ${kind}`;
  }
  return undefined;
}

/** "Empty Arguments and Keyword Arguments" */
export function payloadOf(args: readonly unknown[] = [], kwargs: Dict = {}): Payload {
  if (Object.keys(kwargs).length > 0) return [args, kwargs];
  return args.length > 0 ? [args] : [];
}

/** Also of what is not looked into. */
export function namedPayload([args = [], kwargs = {}]: Payload): { args: readonly unknown[]; kwargs: Dict } {
  return { args: Array.isArray(args) ? args : [args], kwargs: kwargs as Dict };
}

/** Whether the payload is one for the other peer alone. "Payload Passthru Mode" */
export function isPassthru(options: unknown): boolean {
  return isDict(options) && options.ppt_scheme !== undefined;
}

/** What a router passes on of a payload that it does not look into. "Payload Passthru Mode" */
export function passedThrough(options: Dict): Dict {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name.startsWith("ppt_") || name.startsWith("enc_")));
}

export function isDict(value: unknown): value is Dict {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

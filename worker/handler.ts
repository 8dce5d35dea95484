// What a handler module is written with: everything under handlers/ imports from here and from nowhere else in thinstate.
// One function that checks what a module asks for, and the types of its hooks. It runs nothing: turns.ts does.

import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { RouteParams } from "regexparam";
import { CodedError } from "../protocol/errors.ts";
import { type MessageRate, parseMessageRate } from "../protocol/message-rate.ts";
import { isOriginPattern } from "../protocol/origins.ts";
import { checkRoutePath, type PathParams } from "../protocol/route-table.ts";
import type { Connection, Hooks, Task, Turn } from "./hook-types.ts";
import type { Answers, Message } from "./message-types.ts";
import type { DeepReadonly, InputOf, OutputOf, Schema } from "./schema.ts";

export type * from "./app-types.ts";
export type * from "./hook-types.ts";
export type * from "./message-types.ts";
export { type } from "./schema.ts";
export { type Together, together } from "./together.ts";
export type { DeepReadonly, Schema };

export interface HandlerOptions<Path extends string, StateSchema extends Schema | undefined, MessageSchema extends Schema | undefined>
  extends Hooks<
    Readonly<RouteParams<Path>>,
    DeepReadonly<OutputOf<StateSchema, undefined>>,
    DeepReadonly<InputOf<StateSchema, undefined>>,
    OutputOf<MessageSchema, Message>
  > {
  /** `/chat/:room`; a final `*` takes the rest of the path. */
  readonly path: Path;
  /**
   * Origin headers that browsers may come with: `https://example.com`, `https://*.example.com` for all names below, or `*` for any. Without
   * it: the hosts of the setting HOSTS, or what the Host header says. Asked for WebSockets, and for HTTP requests that change something.
   */
  readonly origins?: readonly string[];
  /** Refuses clients that send no Origin. Browsers send one; programs usually do not. */
  readonly requireOrigin?: boolean;
  /** Subprotocols that this handler speaks, the preferred one first. */
  readonly subprotocols?: readonly string[];
  /** Any synchronous Standard Schema: checked when a turn ends, and when a connection is adopted. Without it `conn.state` is undefined. */
  readonly state?: StateSchema;
  /** Any Standard Schema: onMessage, or `on`, then gets what it makes of the message's JSON. Without it a raw Message. */
  readonly message?: MessageSchema;
  /**
   * Instead of onMessage, where `message` is a union by the field `type`: a function for each. What it returns, or throws, goes back to a
   * client that sent an `id`: `{ id, data }` or `{ id, error }`. Where it returns undefined, nothing does.
   */
  readonly on?: Answers<
    Connection<Readonly<RouteParams<Path>>, DeepReadonly<OutputOf<StateSchema, undefined>>>,
    Turn,
    OutputOf<MessageSchema, Message>
  >;
  readonly limits?: HandlerLimits;
  /** What runs in one worker of the active release, of all machines: by names of letters, digits, `-` and `_`. */
  readonly tasks?: Readonly<Record<string, Task>>;
}

export interface HandlerLimits {
  /** How many messages a connection of this route may send: "20/10s", with ms, s, m or h. More close it with 1008. */
  readonly messages?: `${number}/${number}${"ms" | "s" | "m" | "h"}`;
}

type AnswersOfAny = Readonly<Record<string, (conn: Connection, data: unknown, turn: Turn) => unknown>>;

const brand = Symbol.for("thinstate.handler");

/** What a handler module exports by default. The types of its connections are those that `defineHandler` inferred. */
export interface Handler<Params = PathParams, State = unknown, StateInput = unknown, Incoming = unknown>
  extends Readonly<Hooks<Params, State, StateInput, Incoming>> {
  readonly [brand]: true;
  readonly path: string;
  readonly origins?: readonly string[];
  readonly requireOrigin?: boolean;
  readonly subprotocols: readonly string[];
  readonly state?: Schema;
  readonly message?: Schema;
  /** By type; without a prototype. */
  readonly on?: AnswersOfAny;
  readonly limits?: { readonly messages: MessageRate };
  readonly tasks?: Readonly<Record<string, Task>>;
}

/** Whether a handler answers plain HTTP alone: it has no hook for anything that a WebSocket does. */
export function answersOnly({ onRequest, onUpgrade, onOpen, onMessage, on, onClose }: Handler): boolean {
  return onRequest !== undefined && [onUpgrade, onOpen, onMessage, on, onClose].every((hook) => hook === undefined);
}

const schemaNames = ["state", "message"] as const;
const hookNames = [
  "migrate",
  "onUpgrade",
  "onRequest",
  "onOpen",
  "onMessage",
  "onClose",
  "onError",
  "onAdopt",
  "onExpire",
  "onTimer",
  "onPublish",
  "onStart",
  "onGatewayLost",
] as const;
const optionNames: readonly string[] = [
  "path",
  "origins",
  "requireOrigin",
  "subprotocols",
  "limits",
  "tasks",
  ...schemaNames,
  "on",
  ...hookNames,
];

/**
 * Makes a handler module: `export default defineHandler({ path: "/echo", onMessage(conn, message) { conn.send(message); } })`.
 * @throws {CodedError} "handler.invalid", which names the option and what it may be.
 */
export function defineHandler<
  const Path extends string,
  StateSchema extends Schema | undefined = undefined,
  MessageSchema extends Schema | undefined = undefined,
>(
  options: HandlerOptions<Path, StateSchema, MessageSchema>,
): Handler<
  Readonly<RouteParams<Path>>,
  DeepReadonly<OutputOf<StateSchema, undefined>>,
  DeepReadonly<InputOf<StateSchema, undefined>>,
  OutputOf<MessageSchema, Message>
> {
  checkRoutePath(options.path);
  const given: Readonly<Record<string, unknown>> = { ...options };
  for (const name of Object.keys(given)) {
    if (!optionNames.includes(name)) throw invalid(`there is no option ${name}; the options are ${optionNames.join(", ")}`);
  }
  for (const name of hookNames) {
    if (given[name] !== undefined && typeof given[name] !== "function") throw invalid(`${name} must be a function`);
  }
  for (const name of schemaNames) {
    if (given[name] !== undefined && !isSchema(given[name])) throw invalid(`${name} must be a Standard Schema, or type<T>()`);
  }
  for (const origin of options.origins ?? []) checkOrigin(origin);
  if (!["boolean", "undefined"].includes(typeof options.requireOrigin)) throw invalid("requireOrigin must be true or false");
  for (const name of options.subprotocols ?? []) checkSubprotocol(name);
  const messages = options.limits === undefined ? undefined : checkLimits(options.limits);
  const on = options.on && checkAnswers(options.on, options);
  const tasks = options.tasks && checkTasks(options.tasks);
  const { state, message, origins, limits: _, on: __, tasks: ___, ...rest } = options;
  return Object.freeze({
    ...rest,
    ...(state && { state }),
    ...(message && { message }),
    ...(messages && { limits: Object.freeze({ messages }) }),
    ...(on && { on }),
    ...(tasks && { tasks }),
    ...(origins && { origins: Object.freeze([...origins]) }),
    subprotocols: Object.freeze([...(options.subprotocols ?? [])]),
    [brand]: true as const,
  });
}

/** Also of a handler that was defined with another copy of this file. */
export function isHandler(value: unknown): value is Handler {
  return typeof value === "object" && value !== null && brand in value;
}

function isSchema(value: unknown): value is StandardSchemaV1 {
  // ArkType's schemas are functions.
  return ((typeof value === "object" && value !== null) || typeof value === "function") && "~standard" in value;
}

function checkLimits(limits: object): MessageRate | undefined {
  const given: Readonly<Record<string, unknown>> = { ...limits };
  for (const name of Object.keys(given)) if (name !== "messages") throw invalid(`limits has no ${name}: it may have messages`);
  const { messages } = given;
  if (messages === undefined) return undefined;
  const rate = typeof messages === "string" ? parseMessageRate(messages) : undefined;
  if (rate !== undefined) return Object.freeze(rate);
  const what = "a number of messages and a time, at most a million and a day, as in 20/10s, 5/500ms, 100/1m or 1000/1h";
  throw invalid(`limits.messages is ${JSON.stringify(messages)}: it is ${what}`);
}

/** @returns a copy without a prototype: clients choose what is looked up in it. */
function checkAnswers(on: object, { message, onMessage }: { readonly message?: unknown; readonly onMessage?: unknown }): AnswersOfAny {
  if (onMessage !== undefined) throw invalid("on and onMessage exclude each other: a message goes to one of them");
  if (message === undefined) throw invalid("on needs a message schema: a union by the field type");
  const answers: Readonly<Record<string, unknown>> = Object.freeze(Object.assign(Object.create(null), on));
  const names = Object.keys(answers);
  if (names.length === 0) throw invalid("on has a function for each type that a message may have, and has none");
  for (const name of names) if (typeof answers[name] !== "function") throw invalid(`on.${name} must be a function`);
  return answers as AnswersOfAny;
}

function checkTasks(tasks: object): Readonly<Record<string, Task>> {
  const given = Object.entries(tasks);
  for (const [name, task] of given) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw invalid(`tasks has ${JSON.stringify(name)}: a name is 1 to 64 letters, digits, - and _`);
    const isTask = typeof task === "object" && task !== null && typeof task.run === "function";
    if (!isTask) throw invalid(`tasks.${name} must be an object with a function run(app, { signal, fence })`);
  }
  return Object.freeze(Object.fromEntries(given));
}

function checkOrigin(origin: string): void {
  if (typeof origin === "string" && isOriginPattern(origin)) return;
  const examples = "as in https://example.com, https://*.example.com for all names below, or * for any";
  throw invalid(`origins has ${JSON.stringify(origin)}: an origin is scheme, host and port, ${examples}`);
}

function checkSubprotocol(name: string): void {
  // RFC 6455, 4.1: a token as in RFC 2616.
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return;
  throw invalid(`subprotocols has ${JSON.stringify(name)}: a subprotocol is letters, digits and punctuation, without spaces and commas`);
}

function invalid(what: string): CodedError {
  return new CodedError("handler.invalid", what);
}

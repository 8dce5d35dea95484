// Request and reply: which function of `on` a message goes to, and what its client is told where it asked with an `id`.

import { CodedError } from "../protocol/errors.ts";
import { toGateway, type toWorker } from "../protocol/records.ts";
import { jsonOf } from "./effects.ts";
import { isClientFault } from "./failure.ts";
import type { Connection, Handler, HandlerError } from "./handler.ts";
import type { MailboxEvent } from "./mailbox.ts";
import { validate } from "./schema.ts";
import { isThenable } from "./thenable.ts";
import type { RunningTurn } from "./turn.ts";

/** What a client marks a message with that it wants an answer to. */
type RequestId = string | number;

const idBytes = 64;

/** Of what a client is told of a message that does not fit: one of a few bytes may have a fault in each of them. */
const mostIssues = 10;
const mostCharacters = 200;

type MessageEvent = MailboxEvent & { readonly type: typeof toWorker.message };

/** Calls onMessage, or the function of `on` that has the message's type. @returns what it returns, or a promise of that. */
export function callForMessage(conn: Connection, event: MessageEvent, turn: RunningTurn): unknown {
  const { handler } = turn.mailbox.pin;
  const schema = handler.message;
  if (schema === undefined) return handler.onMessage?.(conn, event.message, turn);
  const sent = event.message.json();
  const { on } = handler;
  // Before the schema, which may leave it out or refuse the message.
  const request = on === undefined ? undefined : requestIdOf(sent);
  if (request !== undefined) event.request = request;
  const value = validate(schema, sent, "message.invalid");
  if (!isThenable(value)) return callWith(value, handler, conn, turn);
  return value.then((valid) => (turn.isOver ? undefined : callWith(valid, handler, conn, turn)));
}

/** What a function of `on` has returned goes to the client that asked. @throws {CodedError} "send.invalid", "effects.tooLarge" */
export function answer({ event, effects }: RunningTurn, value: unknown): void {
  const id = requestOf(event);
  if (id === undefined || value === undefined) return;
  const isBytes = value instanceof ArrayBuffer || ArrayBuffer.isView(value);
  if (isBytes) throw new CodedError("send.invalid", "an answer is JSON, and bytes have none: return their base64, say");
  effects.add(toGateway.send, `{"id":${JSON.stringify(id)},"data":${jsonOf(value)}}`);
}

/** The same of what it has thrown. @returns false where nobody asked. @throws {CodedError} "effects.tooLarge" */
export function answerError({ event, effects }: RunningTurn, error: HandlerError): boolean {
  const id = requestOf(event);
  if (id === undefined) return false;
  try {
    effects.add(toGateway.send, JSON.stringify({ id, error: told(error) }));
  } catch {
    // Too little is allowed for more than this.
    effects.add(toGateway.send, JSON.stringify({ id, error: { code: error.code } }));
  }
  return true;
}

function callWith(value: unknown, handler: Handler, conn: Connection, turn: RunningTurn): unknown {
  const { on } = handler;
  if (on === undefined) return handler.onMessage?.(conn, value, turn);
  const type = typeOf(value);
  // It has no prototype: what a client names is a function of the handler, or nothing.
  if (type !== undefined && on[type] !== undefined) return on[type](conn, value, turn);
  const known = Object.keys(on).join(", ");
  throw misfit("type", type === undefined ? `has to be one of ${known}` : `${JSON.stringify(type)} is not one of ${known}`);
}

function typeOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("type" in value)) return undefined;
  return typeof value.type === "string" ? value.type : undefined;
}

/** @throws {CodedError} "message.invalid": its client would wait for an answer for ever. */
function requestIdOf(sent: unknown): RequestId | undefined {
  if (typeof sent !== "object" || sent === null || !("id" in sent)) return undefined;
  const { id } = sent;
  if (id === undefined || id === null) return undefined;
  if (typeof id === "number" && Number.isFinite(id)) return id;
  if (typeof id === "string" && Buffer.byteLength(id) <= idBytes) return id;
  throw misfit("id", `of a request is a string of at most ${idBytes} bytes, or a number`);
}

function requestOf(event: MailboxEvent): RequestId | undefined {
  return "request" in event ? event.request : undefined;
}

function misfit(path: string, message: string): CodedError {
  return new CodedError("message.invalid", `${path}: ${cut(message)}`, { issues: [{ path, message: cut(message) }] });
}

// What a handler threw is for the log alone: it may tell of what is behind it.
function told(error: HandlerError): object {
  const { code, message, issues } = error;
  if (!isClientFault(error)) return { code };
  const first = issues?.slice(0, mostIssues).map((issue) => ({ path: cut(issue.path), message: cut(issue.message) }));
  return { code, message: cut(message), ...(first && { issues: first }) };
}

function cut(text: string): string {
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters - 1)}…`;
}

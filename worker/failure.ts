// What a hook threw, as onError hears of it and the log tells it, and whose fault it is.

import type { Logger } from "pino";
import type { SparseLog } from "../process/sparse-log.ts";
import { isError, valueText } from "../process/thrown.ts";
import { CodedError, type ErrorCode, isCodedError } from "../protocol/errors.ts";
import type { HandlerError } from "./handler.ts";
import type { Mailbox } from "./mailbox.ts";
import type { TaskToRun } from "./tasks.ts";
import type { HookName } from "./turn.ts";

/** Thrown by our own parsing and checking alone, never by a handler's code. */
const codes = [
  ...(["message.tooLarge", "message.invalid", "message.notJson"] as const),
  ...(["request.malformed", "request.method", "request.tooLarge", "auth.refused"] as const),
] as const;
const clientFaults: ReadonlySet<ErrorCode> = new Set(codes);
export type ClientFaultCode = (typeof codes)[number];

/** One of our errors stays what it is; anything else becomes "handler.thrown" with its own message, and itself as the cause. */
export function handlerErrorOf(thrown: unknown): HandlerError {
  if (isCodedError(thrown)) return thrown;
  const text = isError(thrown) ? thrown.message : typeof thrown === "string" ? thrown : valueText(thrown);
  return new CodedError("handler.thrown", text, { cause: thrown });
}

/** Whether a client has sent what could not be parsed, or is nobody we know: no release is to blame for that. */
export function isClientFault(thrown: unknown): thrown is CodedError & { readonly code: ClientFaultCode } {
  return isCodedError(thrown) && clientFaults.has(thrown.code);
}

/** A turn was rolled back. Clients cause that, too, and must not be able to fill the log. */
export function logThrown(logs: { log: Logger; sparseLog: SparseLog }, { pin }: Mailbox, error: HandlerError, hook: HookName): void {
  const kind = { route: pin.handler.path, hook, code: error.code };
  const about = { connection: pin.id, gateway: pin.gateway.id };
  if (isClientFault(error)) logs.log.debug({ ...about, ...kind, issues: error.issues }, error.message);
  else logs.sparseLog.error(kind, { ...about, err: error.code === "handler.thrown" ? error.cause : error }, `${hook} was rolled back`);
}

/** A task has thrown; or nobody knows who has it, since NATS is away or has no JetStream: that is nobody's fault here. */
export function logTaskFailure(sparseLog: SparseLog, { file, name }: Pick<TaskToRun, "file" | "name">, error: unknown): void {
  const kind = { file, task: name };
  if (isCodedError(error, "store.unavailable")) sparseLog.warn({ ...kind, code: error.code }, { err: error }, "a task waits");
  else sparseLog.error(kind, { err: error }, "a task failed");
}

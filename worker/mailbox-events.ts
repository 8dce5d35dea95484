// What an event of a mailbox is for: which hook it calls, with what, and whether there is still a reason to call it. Pure.

import { toWorker } from "../protocol/records.ts";
import type { HandlerError } from "./handler.ts";
import type { Mailbox, MailboxEvent } from "./mailbox.ts";
import { callForMessage } from "./request-reply.ts";
import type { HookName, RunningTurn } from "./turn.ts";
import { TurnConnection } from "./turn-connection.ts";

/** A turn before it has set another time, has cleared the timer, or has left the topic. Not one that has flushed: it may have done so itself, and has to end. */
export function isStale(mailbox: Mailbox, event: MailboxEvent): boolean {
  if (event.flushed > 0) return false;
  if (event.type === toWorker.timer) return mailbox.timers.byName.get(event.name) !== event.number;
  if (event.type === toWorker.published) return !mailbox.topics.has(event.topic);
  return event.type === toWorker.expire && event.expiresAt !== mailbox.expiresAt;
}

export function hookOf(event: MailboxEvent): HookName {
  if (event.type === toWorker.message) return "onMessage";
  if (event.type === toWorker.open) return "onOpen";
  if (event.type === toWorker.expire) return "onExpire";
  if (event.type === toWorker.timer) return "onTimer";
  if (event.type === toWorker.published) return "onPublish";
  return event.type === toWorker.close ? "onClose" : "onAdopt";
}

/** @param error is what onError is told of, undefined in every other hook. */
export function callHook(turn: RunningTurn, name: HookName, error: HandlerError | undefined): unknown {
  const { mailbox, event } = turn;
  const { handler } = mailbox.pin;
  const conn = new TurnConnection(turn);
  if (error !== undefined) return handler.onError?.(conn, error, turn);
  switch (event.type) {
    case toWorker.open:
      return handler.onOpen?.(conn, turn);
    case toWorker.adopt:
      return handler.onAdopt?.(conn, turn);
    case toWorker.expire:
      return handler.onExpire?.(conn, turn);
    case toWorker.timer:
      return handler.onTimer?.(conn, event.name, turn);
    case toWorker.published:
      return handler.onPublish?.(conn, event.topic, event.message, turn);
    case toWorker.close:
      return handler.onClose?.(conn, { code: event.code, reason: event.reason }, turn);
    case toWorker.message:
      return callForMessage(conn, event, turn);
    default:
      throw new Error(`no hook ${name}`);
  }
}

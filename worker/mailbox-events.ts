// What an event of a mailbox is for: which hook it calls, and whether there is still a reason to call it. Pure.

import { toWorker } from "../protocol/records.ts";
import type { Mailbox, MailboxEvent } from "./mailbox.ts";
import type { HookName } from "./turn.ts";

/** A turn before it has set another time, or has cleared the timer. Not one that has flushed: it may have done so itself, and has to end. */
export function isStale(mailbox: Mailbox, event: MailboxEvent): boolean {
  if (event.flushed > 0) return false;
  if (event.type === toWorker.timer) return mailbox.timers.byName.get(event.name) !== event.number;
  return event.type === toWorker.expire && event.expiresAt !== mailbox.expiresAt;
}

export function hookOf(event: MailboxEvent): HookName {
  if (event.type === toWorker.message) return "onMessage";
  if (event.type === toWorker.open) return "onOpen";
  if (event.type === toWorker.expire) return "onExpire";
  if (event.type === toWorker.timer) return "onTimer";
  return event.type === toWorker.close ? "onClose" : "onAdopt";
}

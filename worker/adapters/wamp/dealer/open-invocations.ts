// The invocations of a session, as a callee, that have not come to their end, in its connection's state: which may still be answered, and who
// has to hear that it leaves. A callee has them numbered from 1, as "IDs" wants it: clients ignore a number below one that they have seen
// (nexus). The dealer knows them by numbers of its own, which say whose calls they are.

import type { WampSession } from "../session/session.ts";

/** So many may be open, of all callers together. */
export const openInvocationsLimit = 400;
const size = 2;

/** @param invocation the dealer's number. @param wantsProgress "Progressive Call Results". @returns INVOCATION.Request; undefined: too many are open. */
export function beginInvocation(session: WampSession, invocation: number, wantsProgress: boolean): number | undefined {
  const { last, open, hasOthers } = invokedOf(session);
  if (open.length >= size * openInvocationsLimit) return undefined;
  const number = last + 1;
  session.update({ invoked: { last: number, open: [...open, number, wantsProgress ? -invocation : invocation], hasOthers } });
  return number;
}

/** It has been answered, or its caller does not wait any more. @param invocation the dealer's number. */
export function endInvocation(session: WampSession, invocation: number): void {
  const { open, ...others } = invokedOf(session);
  const at = placeOf(open, invocation);
  if (at !== -1) session.update({ invoked: { ...others, open: open.toSpliced(at, size) } });
}

/** @returns the dealer's number; undefined: nobody waits for this answer, which would cost a caller a turn. */
export function awaitedInvocation(session: WampSession, request: number, isProgress: boolean): number | undefined {
  const { open, hasOthers } = invokedOf(session);
  for (let at = 0; at < open.length; at += size) {
    const invocation = open[at + 1] as number;
    if (open[at] === request) return isProgress && invocation > 0 ? undefined : Math.abs(invocation);
  }
  return hasOthers ? request : undefined;
}

/** @returns INVOCATION.Request; undefined: it has come to its end. */
export function requestOf(session: WampSession, invocation: number): number | undefined {
  const { open, hasOthers } = invokedOf(session);
  return open[placeOf(open, invocation)] ?? (hasOthers ? invocation : undefined);
}

/** By the dealer's numbers. */
export function openInvocations(session: WampSession): number[] {
  return invokedOf(session).open.flatMap((invocation, index) => (index % size === 1 ? [Math.abs(invocation)] : []));
}

function invokedOf({ state: { invoked } }: WampSession) {
  return invoked ?? { last: 0, open: [], hasOthers: true };
}

/** Of the pair with this number of the dealer's. */
function placeOf(open: readonly number[], invocation: number): number {
  return open.findIndex((_, index) => index % size === 0 && Math.abs(open[index + 1] as number) === invocation);
}

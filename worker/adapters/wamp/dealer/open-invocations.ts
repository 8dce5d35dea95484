// The invocations of a session, as a callee, that have not come to their end, in its connection's state: which may still be answered, and who
// has to hear that it leaves.

import type { WampSession } from "../session/session.ts";

/**
 * So many are known. Of more, the earliest are forgotten, and it stays full: all answers are passed on then, and callers see for themselves
 * that it is gone.
 */
const knownLimit = 200;

/** @param wantsProgress "Progressive Call Results" */
export function beginInvocation(session: WampSession, invocation: number, wantsProgress: boolean): void {
  if (session.state.invocations === undefined) return;
  const others = session.state.invocations.slice(1 - knownLimit);
  session.update({ invocations: [...others, wantsProgress ? -invocation : invocation] });
}

/** It has been answered, or its caller does not wait any more. */
export function endInvocation(session: WampSession, invocation: number): void {
  const { invocations } = session.state;
  if (invocations === undefined || invocations.length >= knownLimit) return;
  const others = invocations.filter((each) => Math.abs(each) !== invocation);
  if (others.length !== invocations.length) session.update({ invocations: others });
}

/** Whether its caller may wait for this answer, which costs it a turn. */
export function isAwaited({ state: { invocations } }: WampSession, invocation: number, isProgress: boolean): boolean {
  if (invocations === undefined || invocations.length >= knownLimit) return true;
  return invocations.includes(-invocation) || (!isProgress && invocations.includes(invocation));
}

export function openInvocations({ state: { invocations = [] } }: WampSession): number[] {
  return invocations.map(Math.abs);
}

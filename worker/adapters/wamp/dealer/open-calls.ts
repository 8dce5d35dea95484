// The calls of a session that have not come to their end, in its connection's state: seven numbers each, one behind the other, since a
// state of objects takes ten times as long to keep. With a timer for the first of them that has to be looked at.

import type { WampSession } from "../session/session.ts";
import { callNumbers } from "../session/topics.ts";

export interface OpenCall {
  /** In INVOCATION.Request: see invocationId. */
  readonly number: number;
  readonly request: number;
  /** A session, which takes INTERRUPT. */
  readonly callee: number;
  readonly canCancel: boolean;
  readonly progress: boolean;
  /** CANCEL waits for the callee's answer. */
  readonly isKilled: boolean;
  /** When to see whether the callee is still there, and when it times out, in milliseconds since 1970; 0: never. */
  readonly checkAt: number;
  readonly timeoutAt: number;
  readonly timeout: number;
}

type Numbers = readonly [
  number: number,
  request: number,
  callee: number,
  flags: number,
  checkAt: number,
  timeoutAt: number,
  timeout: number,
];
const size = 7;

export function openCalls({ state: { calls } }: WampSession): OpenCall[] {
  const open: OpenCall[] = [];
  for (let at = 0; at < calls.length; at += size) {
    const [number, request, callee, flags, checkAt, timeoutAt, timeout] = calls.slice(at, at + size) as unknown as Numbers;
    const [canCancel, progress, isKilled] = [(flags & 1) !== 0, (flags & 2) !== 0, (flags & 4) !== 0];
    open.push({ number, request, callee, canCancel, progress, isKilled, checkAt, timeoutAt, timeout });
  }
  return open;
}

/** Of the next call: numbers come again, and those of open calls are left out. */
export function nextNumber({ state: { lastCall } }: WampSession, open: readonly OpenCall[]): number {
  const taken = new Set(open.map(({ number }) => number));
  let number = lastCall;
  do number = (number % (callNumbers - 1)) + 1;
  while (taken.has(number));
  return number;
}

export function keepCalls(session: WampSession, calls: readonly OpenCall[], lastCall = session.state.lastCall): void {
  let next = Number.POSITIVE_INFINITY;
  const numbers: number[] = [];
  for (const { number, request, callee, canCancel, progress, isKilled, checkAt, timeoutAt, timeout } of calls) {
    next = Math.min(next, checkAt, timeoutAt || checkAt);
    const flags = Number(canCancel) + 2 * Number(progress) + 4 * Number(isKilled);
    numbers.push(number, request, callee, flags, checkAt, timeoutAt, timeout);
  }
  const { timerAt } = session.state;
  const isLate = calls.length > 0 && (timerAt === 0 || next < timerAt);
  if (isLate) session.conn.setTimer("calls", Math.max(1, Math.ceil(next - Date.now())));
  session.update({ calls: numbers, lastCall, timerAt: isLate ? next : timerAt });
}

/** @param changes undefined: it has come to its end. */
export function changeCall(session: WampSession, { number }: OpenCall, changes: Partial<OpenCall> | undefined): void {
  const change = (call: OpenCall) => (changes === undefined ? [] : { ...call, ...changes });
  keepCalls(
    session,
    openCalls(session).flatMap((call) => (call.number === number ? change(call) : call)),
  );
}

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

/** Where each of its numbers stands; `flags` are the three that are true or false. */
const place = { number: 0, request: 1, callee: 2, flags: 3, checkAt: 4, timeoutAt: 5, timeout: 6 } as const;
const size = 7;

export function countOpen({ state: { calls } }: WampSession): number {
  return calls.length / size;
}

export function openCalls({ state: { calls } }: WampSession): OpenCall[] {
  return Array.from({ length: calls.length / size }, (_, index) => callAt(calls, index * size));
}

/** @returns The one whose number, or request, is this. */
export function openCall({ state: { calls } }: WampSession, by: "number" | "request", value: number): OpenCall | undefined {
  const at = find(calls, by, value);
  return at === -1 ? undefined : callAt(calls, at);
}

/** Of the next call: numbers come again, and those of open calls are left out. */
export function nextNumber({ state: { lastCall, calls } }: WampSession): number {
  let number = lastCall;
  do number = (number % (callNumbers - 1)) + 1;
  while (find(calls, "number", number) !== -1);
  return number;
}

export function addCall(session: WampSession, call: OpenCall): void {
  session.update({ calls: [...session.state.calls, ...numbersOf(call)], lastCall: call.number });
  watchCall(session, call);
}

/** @param changes undefined: it has come to its end. */
export function changeCall(session: WampSession, call: OpenCall, changes: Partial<OpenCall> | undefined): void {
  const { calls } = session.state;
  const at = find(calls, "number", call.number);
  if (at === -1) return;
  const changed = changes && { ...call, ...changes };
  session.update({ calls: calls.toSpliced(at, size, ...(changed === undefined ? [] : numbersOf(changed))) });
  if (changed !== undefined) watchCall(session, changed);
}

/** Has the timer come in time for this call. */
export function watchCall(session: WampSession, { checkAt, timeoutAt }: OpenCall): void {
  const { timerAt } = session.state;
  const next = Math.min(checkAt, timeoutAt || checkAt);
  if (timerAt !== 0 && timerAt <= next) return;
  session.conn.setTimer("calls", Math.max(1, Math.ceil(next - Date.now())));
  session.update({ timerAt: next });
}

function find(calls: readonly number[], by: "number" | "request", value: number): number {
  for (let at = 0; at < calls.length; at += size) if (calls[at + place[by]] === value) return at;
  return -1;
}

function callAt(calls: readonly number[], at: number): OpenCall {
  const flags = calls[at + place.flags] as number;
  return {
    number: calls[at + place.number] as number,
    request: calls[at + place.request] as number,
    callee: calls[at + place.callee] as number,
    canCancel: (flags & 1) !== 0,
    progress: (flags & 2) !== 0,
    isKilled: (flags & 4) !== 0,
    checkAt: calls[at + place.checkAt] as number,
    timeoutAt: calls[at + place.timeoutAt] as number,
    timeout: calls[at + place.timeout] as number,
  };
}

function numbersOf({ number, request, callee, canCancel, progress, isKilled, checkAt, timeoutAt, timeout }: OpenCall): number[] {
  return [number, request, callee, Number(canCancel) + 2 * Number(progress) + 4 * Number(isKilled), checkAt, timeoutAt, timeout];
}

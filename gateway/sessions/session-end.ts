// How a session ends: why, and with which last frame. Pure.

/**
 * ended: by a turn, or for an error. gone: its client gave a request up. busy: two requests received at once. idle: none has for idleMs.
 * slow: too much waits. cut: its bytes, with those of others, were too many, or waited for too long.
 */
export const sessionEnds = ["ended", "gone", "busy", "idle", "slow", "cut"] as const;
export type SessionEnd = (typeof sessionEnds)[number];

/** @param format See OpenSession in worker/session.ts. */
export function closeFrameOf(format: string, code: number, reason: string): string {
  return format.replace(/\{(code|reason)\}/g, (_, name) => JSON.stringify(name === "code" ? code : reason));
}

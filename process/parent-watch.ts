// A process that was started by a supervisor ends with it, however the supervisor ends: it holds one end of a pipe whose
// other end nobody else has.

import { Socket } from "node:net";

/**
 * @param fd the pipe's reading end; 0: there is no supervisor.
 * @param onGone the supervisor has ended.
 */
export function watchParent(fd: number, onGone: () => void): void {
  if (fd === 0) return;
  // Not a file stream: its read would hold up a thread of the pool, and the end of the process with it.
  const pipe = new Socket({ fd, readable: true, writable: false });
  pipe.on("end", onGone);
  pipe.on("error", onGone);
  pipe.resume();
}

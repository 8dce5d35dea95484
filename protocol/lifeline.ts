// A process that was started by a supervisor ends with it, however the supervisor ends: it holds one end of a pipe whose
// other end nobody else has.

import { createReadStream } from "node:fs";

/**
 * @param fd the pipe's reading end; 0: there is no supervisor.
 * @param onGone the supervisor has ended.
 */
export function holdLifeline(fd: number, onGone: () => void): void {
  if (fd === 0) return;
  const pipe = createReadStream("", { fd, autoClose: false });
  pipe.on("end", onGone);
  pipe.on("error", onGone);
  pipe.resume();
}

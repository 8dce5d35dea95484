// Frames that belong together, on their way to clients. All of them are handed to the sockets in one go: whatever else these get is
// before the first or behind the last.

import type { OneFrame } from "../protocol/together.ts";
import type { Socket } from "./connection.ts";
import type { PublishHere } from "./topics.ts";

export function publishFrames(publishHere: PublishHere, topic: string, frames: readonly OneFrame[], except?: readonly string[]): void {
  for (const { data, isBinary } of frames) publishHere(topic, data, isBinary, except);
}

/** Under one cork. */
export function sendFrames(socket: Socket, frames: readonly OneFrame[]): void {
  socket.cork(() => {
    for (const { data, isBinary } of frames) socket.send(data, isBinary);
  });
}

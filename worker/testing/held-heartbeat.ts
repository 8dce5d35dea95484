// A connection's heartbeat as a gateway runs it (gateway/heartbeats.ts), where a test moves the clock. Pure.

import { answers, beatFrame, type Heartbeat } from "../../protocol/heartbeat.ts";
import { flag } from "../../protocol/records.ts";
import type { Frame } from "../effects.ts";
import { bytesOf, type TestFrame } from "./seen.ts";

export class HeldHeartbeat {
  /** When it is sent next, or its answer must be there: by the test's clock. */
  at: number;
  private readonly heartbeat: Heartbeat;
  private isAsked = false;

  constructor(heartbeat: Heartbeat, now: number) {
    this.heartbeat = heartbeat;
    this.at = now + heartbeat.every;
  }

  /** The client has sent this. @returns whether it is the answer and nothing else, which no handler gets. */
  heard(frame: Frame, now: number): boolean {
    const { expect, every } = this.heartbeat;
    if (expect === undefined) return false;
    const answer = answers(beatFrame(expect), bytesOf(frame), (frame.flags & flag.binary) !== 0);
    if (answer !== "no" && this.isAsked) {
      this.isAsked = false;
      this.at = now + every;
    }
    return answer === "exactly";
  }

  /** Its time has come. @returns what the client gets; or how its connection closes, since it has not answered. */
  beat(): { readonly send: TestFrame } | { readonly close: { readonly code: number; readonly reason: string } } {
    const { every, send, within, close } = this.heartbeat;
    if (this.isAsked && close !== undefined) return { close };
    this.isAsked = within !== undefined;
    this.at += within ?? every;
    return { send };
  }
}

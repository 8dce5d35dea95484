// What is done on the connections, in closed loop: each answer that has come makes room for the next message.

import { Sequence } from "../../testbed/sequence.ts";
import { call, callee, caller, type EchoProtocol, publish, publisher, socketIoEcho, sockJsEcho, subscriber, yielded } from "./protocols.ts";
import type { Opening, Speaker } from "./speaker.ts";
import { TextFrames } from "./text-frames.ts";

export type Work = "socket.io" | "sockjs" | "wamp-rpc" | "wamp-pubsub";

export interface Workload {
  readonly speakers: readonly Speaker[];
  /** Answers, or deliveries, so far. */
  readonly answers: number;
  begin(): void;
  /** What is under way may come to its end. */
  stop(): void;
  lost(): number;
  readonly doubled: number;
  readonly reordered: number;
}

export type Speak = (opening: Opening) => Speaker;

/** Numbers messages, and keeps so many of them under way. WAMP has its numbers begin with 1 (2.1.2). */
class Window {
  readonly answered = new Sequence(1);
  /** How many were sent. */
  count = 0;
  private due = 0;
  private isSending = true;
  private readonly speaker: Speaker;
  private readonly frames: TextFrames;
  private readonly size: number;

  constructor(speaker: Speaker, message: string, size: number) {
    this.speaker = speaker;
    this.frames = new TextFrames(message, size);
    this.size = size;
  }

  begin(): void {
    this.send(this.size);
  }

  stop(): void {
    this.isSending = false;
  }

  answer(number: number): void {
    this.answered.take(number);
    this.due++;
  }

  /** More than the window comes only where something is doubled. */
  refill(): void {
    if (this.due > 0 && this.isSending) this.send(Math.min(this.due, this.size));
    this.due = 0;
  }

  lost(): number {
    return this.answered.lost(this.count);
  }

  private send(count: number): void {
    for (let index = 0; index < count; index++) this.frames.add(++this.count);
    this.speaker.say(this.frames);
  }
}

/** Each of a crowd asks and is answered. */
class Asking implements Workload {
  answers = 0;
  readonly speakers: Speaker[] = [];
  private readonly windows: Window[] = [];

  add(speaker: Speaker, message: string, size: number, isWhole: (payloadBytes: number) => boolean): void {
    const window = new Window(speaker, message, size);
    this.speakers.push(speaker);
    this.windows.push(window);
    speaker.onNumber = (number, payloadBytes) => {
      if (!isWhole(payloadBytes)) return speaker.onMalformed();
      this.answers++;
      window.answer(number);
    };
    speaker.onRead = () => window.refill();
  }

  begin(): void {
    for (const window of this.windows) window.begin();
  }

  stop(): void {
    for (const window of this.windows) window.stop();
  }

  lost(): number {
    return this.windows.reduce((sum, window) => sum + window.lost(), 0);
  }

  get doubled(): number {
    return this.windows.reduce((sum, { answered }) => sum + answered.doubled, 0);
  }

  get reordered(): number {
    return this.windows.reduce((sum, { answered }) => sum + answered.reordered, 0);
  }
}

const inFlight = 16;
const echoConnections = 100;
const callers = 50;
const subscribers = 100;
const publicationsUnderWay = 8;

export function echoes(speak: Speak, protocolOf: (index: number) => EchoProtocol): Workload {
  const asking = new Asking();
  for (let index = 0; index < echoConnections; index++) {
    const protocol = protocolOf(index);
    asking.add(speak(protocol), protocol.message, inFlight, (payloadBytes) => payloadBytes === protocol.answerBytes);
  }
  return asking;
}

/** Each caller has a callee of its own, on another connection. */
export function calls(speak: Speak): Workload {
  const asking = new Asking();
  for (let index = 0; index < callers; index++) {
    asking.speakers.push(answering(speak(callee(index))));
    asking.add(speak(caller), call(index), inFlight, () => true);
  }
  return asking;
}

function answering(speaker: Speaker): Speaker {
  const frames = new TextFrames(yielded, inFlight);
  let due = 0;
  speaker.onNumber = (number) => {
    due++;
    if (!frames.add(number)) return;
    speaker.say(frames);
    due = 0;
  };
  speaker.onRead = () => {
    if (due > 0) speaker.say(frames);
    due = 0;
  };
  return speaker;
}

/** One publishes to all others; the next publication goes out when the last subscriber has heard one. */
export class Publications implements Workload {
  answers = 0;
  readonly speakers: readonly Speaker[];
  private readonly heard = Array.from({ length: subscribers }, () => new Sequence(1));
  private readonly window: Window;
  /** How many have heard each publication that is under way, by its number in the window. */
  private readonly heardBy = new Uint32Array(publicationsUnderWay);

  constructor(speak: Speak) {
    const source = speak(publisher);
    this.window = new Window(source, publish, publicationsUnderWay);
    const listeners = this.heard.map((sequence) => {
      const speaker = speak(subscriber);
      speaker.onNumber = (number) => this.hear(sequence, number);
      speaker.onRead = () => this.window.refill();
      return speaker;
    });
    this.speakers = [source, ...listeners];
  }

  begin(): void {
    this.window.begin();
  }

  stop(): void {
    this.window.stop();
  }

  lost(): number {
    return this.heard.reduce((sum, sequence) => sum + sequence.lost(this.window.count), 0);
  }

  get doubled(): number {
    return this.heard.reduce((sum, { doubled }) => sum + doubled, 0);
  }

  get reordered(): number {
    return this.heard.reduce((sum, { reordered }) => sum + reordered, 0);
  }

  private hear(sequence: Sequence, number: number): void {
    this.answers++;
    sequence.take(number);
    const at = number % publicationsUnderWay;
    const heardBy = (this.heardBy[at] as number) + 1;
    this.heardBy[at] = heardBy % subscribers;
    if (heardBy === subscribers) this.window.answer(number);
  }
}

const workloads: Readonly<Record<Work, (speak: Speak) => Workload>> = {
  "socket.io": (speak) => echoes(speak, () => socketIoEcho),
  sockjs: (speak) => echoes(speak, sockJsEcho),
  "wamp-rpc": calls,
  "wamp-pubsub": (speak) => new Publications(speak),
};

export function workloadFor(work: Work, speak: Speak): Workload {
  return workloads[work](speak);
}

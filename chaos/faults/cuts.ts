// Sockets of Socket.IO that are cut off while another one talks: each comes back to what it was, and has missed nothing.

import { setTimeout as pause } from "node:timers/promises";
import { io, type Socket } from "socket.io-client";
import { patienceMs } from "../../testbed/patience.ts";
import { Sequence } from "../../testbed/sequence.ts";
import { Signal } from "../../testbed/signal.ts";
import { httpOf } from "../libraries/library-client.ts";
import type { Scene } from "../scene.ts";
import type { Fault } from "./fault.ts";

const count = 8;
const saidEach = 120;
/** Between two that the speaker says, at most. */
const sayMs = 8;

/** One that hears, and is cut off when it has heard so many. */
class Listener {
  readonly heard = new Sequence(1);
  readonly socket: Socket;
  /** In words. */
  readonly wrong: string[] = [];
  hasJoined = false;
  private connects = 0;

  constructor(socket: Socket, cutAt: readonly number[], onChange: () => void) {
    this.socket = socket;
    socket.on("connect", () => {
      if (this.connects++ > 0 && !socket.recovered) this.wrong.push(`came back as a new socket, after ${this.heard.last}`);
      onChange();
    });
    socket.on("joined", () => {
      this.hasJoined = true;
      onChange();
    });
    socket.on("said", (number: number) => {
      this.heard.take(number);
      // Behind what the client has read, and not told of: it would tell of that twice.
      if (cutAt.includes(number)) setImmediate(() => socket.io.engine.close());
      onChange();
    });
  }

  get verdict(): string[] {
    const { doubled, reordered } = this.heard;
    const counts = Object.entries({ lost: this.heard.lost(saidEach), doubled, reordered }).filter(([, many]) => many > 0);
    return [...this.wrong, ...counts.map(([what, many]) => `${many} of ${saidEach} ${what}`)];
  }
}

async function cutOff({ installation, time, random }: Scene): Promise<void> {
  const signal = new Signal();
  const open = () =>
    io(httpOf(installation.url), {
      ...{ path: "/recovered/", transports: ["websocket"], forceNew: true, auth: { room: `room ${time}` } },
      ...{ reconnectionDelay: 50, reconnectionDelayMax: 100 },
    });
  const speaker = open();
  const anyNumber = () => 1 + Math.floor(random() * (saidEach - 1));
  const listeners = Array.from({ length: count }, () => new Listener(open(), [anyNumber(), anyNumber(), anyNumber()], () => signal.tell()));
  try {
    await signal.until(() => listeners.every(({ hasJoined }) => hasJoined), "sockets that are to be cut off have joined", patienceMs);
    for (let number = 1; number <= saidEach; number++) {
      await speaker.timeout(patienceMs).emitWithAck("say", number);
      await pause(random() * sayMs);
    }
    const late = () => listeners.filter(({ heard, wrong }) => wrong.length === 0 && heard.last < saidEach).length;
    await signal.until(
      () => late() === 0,
      () => `${late()} sockets that were cut off hear the last event`,
      patienceMs,
    );
    const wrong = listeners.flatMap(({ verdict }) => verdict);
    if (wrong.length > 0) throw new Error(`sockets that were cut off: ${wrong.join("; ")}`);
  } finally {
    for (const { socket } of listeners) socket.disconnect();
    speaker.disconnect();
  }
}

export const cutFaults: readonly Fault[] = [
  {
    name: "cuts",
    title: `${count} Socket.IO clients are cut off three times each while one talks: all are recovered`,
    closes: "themselves",
    goalMs: 400,
    strike: cutOff,
  },
];

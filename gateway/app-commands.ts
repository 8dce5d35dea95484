// What handlers ask for outside of turns, app.*: applied as it comes, and answered with how many connections it met, or which.

import { packValue } from "../protocol/msgpack.ts";
import { type CommandBody, parseCommand, type ResultBody, toWorker } from "../protocol/records.ts";
import { openFrom } from "./connection-pages.ts";
import type { Topics } from "./topics.ts";
import { UserCloser, type UserCloserOptions } from "./user-closer.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface AppCommandsOptions extends UserCloserOptions {
  readonly topics: Topics;
  readonly publishHere: (topic: string, data: Uint8Array, isBinary: boolean) => void;
}

export class AppCommands {
  private readonly options: AppCommandsOptions;
  private readonly userCloser: UserCloser;

  constructor(options: AppCommandsOptions) {
    this.options = options;
    this.userCloser = new UserCloser(options);
  }

  run(worker: WorkerPeer, number: number, payload: Buffer): void {
    this.apply(parseCommand(payload), (result) => {
      worker.link.append({ type: toWorker.result, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(result));
    });
  }

  private apply(body: CommandBody, answer: (result: ResultBody) => void): void {
    const { slots, topics, publishHere } = this.options;
    switch (body.kind) {
      case "publish":
        publishHere(body.topic, body.data, body.binary);
        topics.publishElsewhere(body.topic, body.data, body.binary);
        return answer(1);
      case "send": {
        const socket = slots.find(body.connection)?.socket;
        socket?.send(body.data, body.binary);
        return answer(socket === undefined ? 0 : 1);
      }
      case "close": {
        const socket = slots.find(body.connection)?.socket;
        socket?.end(body.code, body.reason);
        return answer(socket === undefined ? 0 : 1);
      }
      case "closeUser":
        return this.userCloser.close(body.user, { code: body.code, reason: body.reason, onDone: answer });
      case "connections":
        return answer(openFrom(slots.connections, body.from));
    }
  }
}

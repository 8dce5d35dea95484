// What handlers ask for outside of turns, app.*: applied as it comes, and answered with how many connections it met, or which.

import { packValue } from "../protocol/msgpack.ts";
import { parseCommand, type ResultBody, toWorker } from "../protocol/records.ts";
import { openFrom } from "./slices.ts";
import type { SlotTable } from "./slots.ts";
import type { Topics } from "./topics.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export class AppCommands {
  private readonly options: {
    readonly slots: SlotTable;
    readonly topics: Topics;
    readonly publishHere: (topic: string, data: Uint8Array, isBinary: boolean) => void;
  };

  constructor(options: AppCommands["options"]) {
    this.options = options;
  }

  run(worker: WorkerPeer, number: number, payload: Buffer): void {
    const met = this.apply(payload);
    worker.link.append({ type: toWorker.result, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(met));
  }

  private apply(payload: Buffer): ResultBody {
    const body = parseCommand(payload);
    switch (body.kind) {
      case "publish":
        this.options.publishHere(body.topic, body.data, body.binary);
        this.options.topics.publishElsewhere(body.topic, body.data, body.binary);
        return 1;
      case "send": {
        const connection = this.options.slots.find(body.connection);
        connection?.socket?.send(body.data, body.binary);
        return connection?.socket === undefined ? 0 : 1;
      }
      case "closeUser": {
        const met = this.options.slots.connections.filter(
          (connection) => connection?.user === body.user && connection.socket !== undefined,
        );
        for (const connection of met) connection?.socket?.end(body.code, body.reason);
        return met.length;
      }
      case "connections":
        return openFrom(this.options.slots.connections, body.from);
    }
  }
}

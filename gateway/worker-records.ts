// What workers say on their links, record by record: each goes to the part that it is for. Commits are most of it.

import type { Logger } from "pino";
import type { Batch } from "../protocol/envelope.ts";
import { packValue } from "../protocol/msgpack.ts";
import { flag, parseSlot, toGateway, toWorker } from "../protocol/records.ts";
import type { AppCommands } from "./app-commands.ts";
import type { Commits } from "./commit.ts";
import { statesFrom } from "./connection-pages.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { SlotTable } from "./slot-table.ts";
import type { WorkerPeer } from "./worker-peer.ts";
import type { WorkerRequests } from "./worker-requests.ts";

export interface WorkerRecordsOptions {
  readonly slots: SlotTable;
  readonly dispatcher: Dispatcher;
  readonly commits: Commits;
  readonly requests: WorkerRequests;
  readonly appCommands: AppCommands;
  readonly log: Logger;
}

export class WorkerRecords {
  /** Records that could not be read. */
  malformed = 0;
  private readonly options: WorkerRecordsOptions;

  constructor(options: WorkerRecordsOptions) {
    this.options = options;
  }

  handle(worker: WorkerPeer, batch: Batch): void {
    for (let index = 0; index < batch.records; ) {
      try {
        index = this.handleRecord(worker, batch, index);
      } catch (error) {
        // The rest of the batch is of other connections and other requests.
        index++;
        this.malformed++;
        this.options.log.error({ worker: worker.id, err: error }, "a record could not be read");
      }
    }
  }

  /** @returns the index behind what was handled. */
  private handleRecord(worker: WorkerPeer, batch: Batch, index: number): number {
    const { slots, dispatcher, commits, requests, appCommands } = this.options;
    switch (batch.type(index)) {
      case toGateway.upgraded:
      case toGateway.responded:
      case toGateway.gatewayLostHandled:
        requests.answered(worker, batch.slot(index), batch.payload(index));
        return index + 1;
      case toGateway.chunk:
        requests.streams.chunk(worker, batch.slot(index), batch.view(index));
        return index + 1;
      case toGateway.responding:
        requests.begun(worker, batch.slot(index), batch.payload(index));
        return index + 1;
      case toGateway.ended:
        requests.streams.ended(worker, batch.slot(index), (batch.flags(index) & flag.broken) === 0);
        return index + 1;
      case toGateway.session:
        requests.session(worker, batch.slot(index), batch.payload(index));
        return index + 1;
      case toGateway.begins: {
        const connection = slots.connections[batch.slot(index)];
        if (connection?.worker === worker && connection.epoch === batch.epoch(index)) dispatcher.begins(connection);
        return index + 1;
      }
      case toGateway.askStates: {
        const states = statesFrom(slots.connections, parseSlot(batch.payload(index)), worker.release);
        worker.link.append({ type: toWorker.states, flags: 0, extra: 0, slot: batch.slot(index), epoch: 0 }, packValue(states));
        return index + 1;
      }
      case toGateway.command:
        appCommands.run(worker, batch.slot(index), batch.payload(index));
        return index + 1;
      default:
        return commits.apply(worker, batch, index);
    }
  }
}

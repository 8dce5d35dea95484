// What handlers ask for outside of turns, app.*: applied as it comes, and answered with how many connections it met, or which.

import { type CommandBody, parseCommand, type ResultBody } from "../protocol/commands.ts";
import { packValue } from "../protocol/msgpack.ts";
import { toWorker } from "../protocol/records.ts";
import { OpenPage, openFrom } from "./connection-pages.ts";
import type { Members } from "./members.ts";
import type { SlotTable } from "./slot-table.ts";
import type { TaskFences } from "./task-fences.ts";
import type { PublishHere, Topics } from "./topics.ts";
import type { UserConnections } from "./user-connections.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface AppCommandsOptions {
  readonly slots: SlotTable;
  readonly users: UserConnections;
  readonly topics: Topics;
  readonly members: Members;
  readonly publishHere: PublishHere;
  readonly fences: TaskFences;
}

export class AppCommands {
  private readonly options: AppCommandsOptions;

  constructor(options: AppCommandsOptions) {
    this.options = options;
  }

  run(worker: WorkerPeer, number: number, payload: Buffer): void {
    this.apply(parseCommand(payload), (result) => {
      worker.link.append({ type: toWorker.result, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(result));
    });
  }

  /** @param answer is told what came of it, once: at once, or in a later slice. */
  apply(body: CommandBody, answer: (result: ResultBody) => void): void {
    const { slots, users, topics, members, publishHere, fences } = this.options;
    if ("fence" in body && body.fence !== undefined && !fences.admits(body.fence)) return answer({ refused: "task.over" });
    switch (body.kind) {
      case "publish":
        publishHere(body.topic, body.data, body.binary, body.except);
        topics.publishElsewhere(body.topic, body.data, body.binary, body.except);
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
        return users.each(body.user, ({ socket }) => socket?.end(body.code, body.reason), answer);
      case "fence":
        return answer(1);
      case "sendToUser":
        return users.each(body.user, ({ socket }) => socket?.send(body.data, body.binary), answer);
      case "connections":
        return answer(openFrom(slots.connections, body.from));
      case "members":
        return answer(members.list(body.topic, body.after, body.limit));
      case "userConnections": {
        const page = new OpenPage(body.from);
        return users.each(
          body.user,
          (connection) => page.add(connection),
          () => answer(page.body()),
        );
      }
    }
  }
}

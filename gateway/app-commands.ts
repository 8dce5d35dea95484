// What handlers ask for outside of turns, app.*: applied as it comes, and answered with how many connections it met, or which.

import { type CommandBody, parseCommand, type ResultBody } from "../protocol/commands.ts";
import { failedBody } from "../protocol/failed.ts";
import { type HistoryEntry, historyBody } from "../protocol/history.ts";
import { packValue } from "../protocol/msgpack.ts";
import { toWorker } from "../protocol/records.ts";
import { decodeTogether } from "../protocol/together.ts";
import { afterHeld } from "./commit.ts";
import type { Socket } from "./connection.ts";
import { OpenPage, openFrom } from "./connection-pages.ts";
import type { History } from "./history/history.ts";
import type { Locks } from "./locks/locks.ts";
import type { Members } from "./members.ts";
import type { SlotTable } from "./slot-table.ts";
import type { TaskFences } from "./task-fences.ts";
import { publishFrames, sendFrames } from "./together.ts";
import type { PublishHere, Topics } from "./topics.ts";
import type { UserConnections } from "./user-connections.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface AppCommandsOptions {
  readonly slots: SlotTable;
  readonly users: UserConnections;
  readonly topics: Topics;
  readonly members: Members;
  readonly history: History;
  readonly publishHere: PublishHere;
  readonly fences: TaskFences;
  readonly locks: Pick<Locks, "take">;
  /** How many there are. */
  readonly connections: () => number;
}

export class AppCommands {
  private readonly options: AppCommandsOptions;

  constructor(options: AppCommandsOptions) {
    this.options = options;
  }

  run(worker: WorkerPeer, number: number, payload: Buffer): void {
    this.apply(worker.id, parseCommand(payload), (result) => {
      worker.link.append({ type: toWorker.result, flags: 0, extra: 0, slot: number, epoch: 0 }, packValue(result));
    });
  }

  /**
   * @param from Who asks: a worker or another gateway.
   * @param answer is told what came of it, once: at once, or in a later slice.
   */
  apply(from: string, body: CommandBody, answer: (result: ResultBody) => void): void {
    const { slots, users, topics, members, fences } = this.options;
    if ("fence" in body && body.fence !== undefined && !fences.admits(body.fence)) return answer({ refused: "task.over" });
    switch (body.kind) {
      case "publish":
        return this.publish(from, body, answer);
      case "history":
        this.history(body.topic, body.last).then(
          (entries) => answer(historyBody(entries)),
          (error) => answer(failedBody(error, "history.unavailable")),
        );
        return;
      case "send": {
        const socket = slots.find(body.connection)?.socket;
        senderOf(body)(socket);
        return answer(socket === undefined ? 0 : 1);
      }
      case "close": {
        const socket = slots.find(body.connection)?.socket;
        socket?.end(body.code, body.reason);
        return answer(socket === undefined ? 0 : 1);
      }
      case "closeUser":
        return users.each(body.user, ({ socket }) => socket?.end(body.code, body.reason), answer);
      case "lock":
        return this.lock(body, answer);
      case "fence":
        return answer(1);
      case "sendToUser": {
        const send = senderOf(body);
        return users.each(body.user, ({ socket }) => send(socket), answer);
      }
      case "connections":
        return answer(openFrom(slots.connections, body.from));
      case "counts":
        return answer({ connections: this.options.connections(), topics: topics.size });
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

  /** With what this gateway was given before: a task finds also what the worker that had it before has published last. */
  private async history(topic: string, last: number): Promise<HistoryEntry[]> {
    const { history } = this.options;
    await history.outbox.settled(topic);
    return history.read(topic, last);
  }

  private lock({ connection, name, waitMs }: CommandBody & { kind: "lock" }, answer: (result: ResultBody) => void): void {
    const { slots, locks } = this.options;
    const found = slots.find(connection);
    if (found === undefined) return answer(0);
    // A turn may begin before the commit of the one before is applied, which would give back what this one takes.
    afterHeld(found, () => {
      if (slots.find(connection) === undefined) return answer(0);
      locks.take(connection, name, waitMs, (outcome) => {
        answer(outcome instanceof Error ? failedBody(outcome, "store.unavailable") : (outcome ?? 0));
      });
    });
  }

  private publish(from: string, body: CommandBody & { kind: "publish" }, answer: (result: ResultBody) => void): void {
    const { topics, history, publishHere } = this.options;
    const { topic, data, binary: isBinary, together, except, keep } = body;
    const frames = together ? decodeTogether(data) : undefined;
    const publish = () => {
      if (frames !== undefined) {
        publishFrames(publishHere, topic, frames, except);
        topics.publishTogetherElsewhere(topic, data, except ?? []);
        return answer(1);
      }
      publishHere(topic, data, isBinary, except);
      topics.publishElsewhere(topic, data, isBinary, except);
      answer(1);
    };
    if (keep === undefined) {
      if (!history.outbox.behind(from, topic, { dataBytes: data.length, run: publish })) publish();
    } else if (history.outbox.hasRoom()) {
      const published = { topic, data, isBinary, except: except ?? [] };
      history.keep(from, published, keep, (error) => answer(error === undefined ? 1 : failedBody(error, "history.unavailable")));
    } else answer({ failed: "history.total", text: "too much waits to be kept (HISTORY_PENDING_BYTES)" });
  }
}

/** @throws {CodedError} "envelope.malformed" */
function senderOf(body: { data: Uint8Array; binary: boolean; together?: boolean | undefined }): (socket: Socket | undefined) => void {
  const { data, binary, together } = body;
  if (!together) return (socket) => socket?.send(data, binary);
  const frames = decodeTogether(data);
  return (socket) => socket && sendFrames(socket, frames);
}

// Finds out which event kills workers. A worker that was lost has died once its supervisor has seen that, or has not come back in time;
// until then it may have lost NATS only, and its loss counts for nothing. What dead workers had in hand is counted, never taken back.
// Pure; what follows for a connection is the part of transitions.ts.

import { decodePublished, decodeTimer } from "../protocol/payloads.ts";
import { toWorker } from "../protocol/records.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionEvent } from "./event.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** Losses after which a connection's events run alone. */
const suspectLosses = 2;
/** Fewer prove nothing: a worker that died with the event alone may have died of something else. */
const leastDeaths = 3;
/** After so many it was this event, though no worker has said that it began: a state's schema runs before that. */
const certainDeaths = 8;

/** The workers that were lost with events of a connection in hand, since all that they had in hand was committed. */
export class CrashRecord {
  /** Those that died. */
  deaths = 0;
  /** Those of which it is not known. */
  unconfirmed = 0;
  /** What the last one died of: nothing else ran there. */
  poison: "event" | "adoption" | undefined;

  /** Its events are given to nobody before more is known, and to a worker alone if both have died. */
  get isSuspicious(): boolean {
    return this.deaths + this.unconfirmed >= suspectLosses;
  }
}

/** not: others ran beside it. toRun: it was to run alone. begun: the worker had said that it ran, with nothing beside it. */
export type Alone = "not" | "toRun" | "begun";

/** What a lost worker had in hand of a connection. */
export interface InHand {
  readonly connection: Connection;
  /** The first. */
  readonly event: ConnectionEvent;
  readonly alone: Alone;
}

type RecordedLoss = InHand & { readonly record: CrashRecord };

export class CrashAttribution {
  /** By the id of the worker that was lost. */
  private readonly unconfirmed = new Map<string, { readonly worker: WorkerPeer; readonly losses: RecordedLoss[] }>();

  /** Nobody hears a worker. To be followed by `confirm` or `clear`. */
  unreachable(worker: WorkerPeer): void {
    this.unconfirmed.set(worker.id, { worker, losses: [] });
  }

  /** A lost worker had this in hand. It counts as soon as the worker is known to have died. */
  add(worker: WorkerPeer, inHand: InHand): void {
    if (worker.loss !== "exited" && worker.loss !== "unreachable") return;
    inHand.connection.crashes ??= new CrashRecord();
    const loss = { ...inHand, record: inHand.connection.crashes };
    if (worker.loss === "exited") return addDeath(loss);
    loss.record.unconfirmed++;
    this.unconfirmed.get(worker.id)?.losses.push(loss);
  }

  /** A worker that nobody heard has died. @returns the connections of which it had events in hand. */
  confirm(workerId: string): readonly Connection[] {
    return this.end(workerId, "exited");
  }

  /** A worker that nobody heard lives: nothing has killed it. @returns as `confirm`. */
  clear(workerId: string): readonly Connection[] {
    return this.end(workerId, "left");
  }

  private end(workerId: string, loss: "exited" | "left"): readonly Connection[] {
    const lost = this.unconfirmed.get(workerId);
    if (lost === undefined) return [];
    this.unconfirmed.delete(workerId);
    // For what it has in hand and was not taken back yet: a commit is held back.
    lost.worker.loss = loss;
    // What has committed since is innocent.
    const losses = lost.losses.filter(({ connection, record }) => connection.crashes === record);
    for (const one of losses) {
      one.record.unconfirmed--;
      if (loss === "exited") addDeath(one);
    }
    return losses.map(({ connection }) => connection);
  }
}

/** As the log names what is set aside: as `turn.id` does, and a timer by its name, or what was published by its topic, too. */
export function poisonOf(
  { id, firstEvent, events: [event] }: Pick<Connection, "id" | "firstEvent" | "events">,
  poison: "event" | "adoption",
): { message: string; timer?: string; topic?: string } {
  if (poison === "adoption") return { message: `${id}:adopt` };
  if (event?.type === toWorker.expire) return { message: `${id}:expire` };
  if (event?.type === toWorker.published) {
    const { number, topic } = decodePublished(Buffer.from(event.payload));
    return { message: `${id}:published-${number}`, topic };
  }
  if (event?.type !== toWorker.timer) return { message: `${id}:${firstEvent}` };
  const { number, name } = decodeTimer(event.payload);
  return { message: `${id}:timer-${number}`, timer: name };
}

function addDeath({ record, connection, event, alone }: RecordedLoss): void {
  record.deaths++;
  if (alone === "not" || record.deaths < leastDeaths) return;
  if (alone !== "begun" && record.deaths < certainDeaths) return;
  if (event.type === toWorker.adopt) record.poison = "adoption";
  // It may have been discarded since.
  else if (connection.events[0] === event) record.poison = "event";
}

// The records of one turn, or of one flush of it, as they lie in their batch: what is asked of them before they are applied.

import type { Batch } from "../protocol/envelope.ts";
import { mostKeptMessages } from "../protocol/history.ts";
import { decodeSubscribeAfter, decodeSubscribeLast } from "../protocol/payloads.ts";
import { toGateway } from "../protocol/records.ts";
import { checkTopic } from "../protocol/subjects.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** Which pin the records of a run speak of, and where they are. */
export interface Run {
  readonly worker: WorkerPeer;
  readonly batch: Batch;
  readonly from: number;
  readonly to: number;
  /** Its topics were asked for. */
  hasAsked: boolean;
  /** So many more messages its client's have held. */
  moreMessages: number;
}

/** Whether it asks the gateway to keep something that is bounded for all connections together. */
export function needsQuota({ batch, from, to }: Run): boolean {
  for (let index = from; index < to; index++) {
    const type = batch.type(index);
    if (type === toGateway.subscribe || type === toGateway.member || type === toGateway.timer) return true;
    if (type === toGateway.publishKept || isKeptSubscription(type) || type === toGateway.subscribeHook) return true;
  }
  return false;
}

// What a run subscribes to. Checked before anything of it happens: an empty topic would be no subject.
export function topicsOf({ batch, from, to }: Run): readonly string[] {
  const topics: string[] = [];
  for (let index = from; index < to; index++) {
    const type = batch.type(index);
    if (type !== toGateway.subscribe && !isKeptSubscription(type) && type !== toGateway.subscribeHook) continue;
    const topic = isKeptSubscription(type) ? keptSubscription(batch, index).topic : batch.text(index);
    checkTopic(topic);
    topics.push(topic);
  }
  return topics;
}

/** What a run subscribes to that begins with what is kept. */
export function keptOf({ batch, from, to }: Run): readonly KeptSubscription[] {
  const subscriptions: KeptSubscription[] = [];
  for (let index = from; index < to; index++) {
    if (isKeptSubscription(batch.type(index))) subscriptions.push(keptSubscription(batch, index));
  }
  return subscriptions;
}

/** A subscription that begins with what its topic keeps. */
export interface KeptSubscription {
  readonly topic: string;
  readonly last: number;
  /** Only what is behind this position. */
  readonly after?: string;
}

function isKeptSubscription(type: number): boolean {
  return type === toGateway.subscribeLast || type === toGateway.subscribeAfter;
}

/** @throws {CodedError} "envelope.malformed", "history.invalid" */
function keptSubscription(batch: Batch, index: number): KeptSubscription {
  const payload = batch.payload(index);
  if (batch.type(index) === toGateway.subscribeLast) return decodeSubscribeLast(payload);
  return { ...decodeSubscribeAfter(payload), last: mostKeptMessages };
}

/** This one; and where it has `after`, those that have it and follow, with nothing in between but what is told of members. */
export function* keptSubscriptions(batch: Batch, index: number): Generator<KeptSubscription> {
  const [slot, epoch] = [batch.slot(index), batch.epoch(index)];
  const isOne = batch.type(index) === toGateway.subscribeLast;
  yield keptSubscription(batch, index);
  for (let next = index + 1; !isOne && next < batch.records && batch.slot(next) === slot && batch.epoch(next) === epoch; next++) {
    const type = batch.type(next);
    if (type === toGateway.subscribeAfter) yield keptSubscription(batch, next);
    else if (type !== toGateway.member) return;
  }
}

/** Those `moreMessages` that nobody was told yet: whoever asks tells. */
export function more(run: Run): number {
  const { moreMessages } = run;
  run.moreMessages = 0;
  return moreMessages;
}

/** What may end the socket, or make it another connection's, does not happen under its cork. */
export function isCorked(type: number): boolean {
  return type !== toGateway.close && type !== toGateway.released && type !== toGateway.moveToSession;
}

export function isOfPin(type: number): boolean {
  return (
    (type >= toGateway.send && type <= toGateway.released) ||
    (type >= toGateway.identity && type <= toGateway.sendTogether) ||
    (type >= toGateway.pauseSession && type <= toGateway.stay)
  );
}

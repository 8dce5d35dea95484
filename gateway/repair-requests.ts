// What a gateway asks the others for, in requests that NATS takes. Pure.

import type { RepairBody } from "../protocol/repair.ts";
import type { TopicInbox } from "./topic-inbox.ts";

export interface Lack {
  readonly topic: string;
  readonly since: number;
  /** The last batch that was seen of each gateway. Those first of which it matters most: what does not fit into a request is left out. */
  readonly seen: ReadonlyArray<readonly [gateway: string, seq: number]>;
}

// In msgpack, at most: a string's head has 5 bytes and its bytes, a number 9, the head of a map or a list 5.
const headBytes = 5;
const numberBytes = 9;
/** `to` (64 bytes at most), `number`, and the heads around them. */
const requestBytes = 128;
/** The names `topic`, `since` and `seen` with their heads, a number, two maps' heads. */
const lackBytes = 64;

/**
 * @param limitBytes of one request.
 * @returns the topics of each request, in order. A topic is never in two: a gateway that is not among the seen is taken for one of
 *   which nothing has come. So is one that was left out; it answers with more than is needed then, which is dropped.
 */
export function repairRequests(lacks: readonly Lack[], limitBytes: number): RepairBody["topics"][] {
  const requests: RepairBody["topics"][] = [];
  let room = 0;
  for (const { topic, since, seen } of lacks) {
    let bytes = lackBytes + headBytes + Buffer.byteLength(topic);
    const fitting: Record<string, number> = {};
    for (const [gateway, seq] of seen) {
      const entryBytes = headBytes + Buffer.byteLength(gateway) + numberBytes;
      if (requestBytes + bytes + entryBytes > limitBytes) break;
      bytes += entryBytes;
      fitting[gateway] = seq;
    }
    if (requests.length === 0 || bytes > room) {
      requests.push([]);
      room = limitBytes - requestBytes;
    }
    room -= bytes;
    requests.at(-1)?.push({ topic, since, seen: fitting });
  }
  return requests;
}

/** Of each gateway the last batch that was seen: those first that lack something, then those that were met last. */
export function seenOf(inboxes: Iterable<readonly [gateway: string, inbox: TopicInbox]>): Lack["seen"] {
  const waiting: Array<[string, number]> = [];
  const others: Array<[string, number]> = [];
  for (const [from, { seen, isWaiting }] of inboxes) if (seen !== undefined) (isWaiting ? waiting : others).push([from, seen]);
  return [...waiting, ...others.reverse()];
}

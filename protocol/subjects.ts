// The NATS subjects of one installation. Every subject starts with its namespace, so that installations can share a NATS.
// What a client or a handler names a topic is encoded into one subject token: it can never be a wildcard.

import { CodedError } from "./errors.ts";
import type { Retention } from "./history.ts";

/** Bytes of UTF-8 that a topic may have. Encoded it is at most three times as long: far below NATS' 4,096-byte control line. */
export const topicLimitBytes = 256;

export interface Subjects {
  /** Hellos, heartbeats, activations of gateways and operators: everyone hears them. Workers of 0.2 speak here, too. */
  readonly members: string;
  /** What workers announce: everyone hears it. */
  readonly membersFromWorkers: string;
  /** The inbox of one process' links, for what gateways say. Workers of 0.2 write to gateways here, too. */
  link(processId: string): string;
  /** The inbox of a gateway's links, for what workers say. */
  linkFromWorkers(gateway: string): string;
  /** Where NATS says that nobody heard what this process sent to a peer's link. */
  unheard(processId: string, peer: string): string;
  /** Everything that is published to a topic: a pattern over those below that begin with "topic". */
  topic(topic: string): string;
  /** What gateways publish to a topic, for the other gateways: batches. */
  topicFromGateways(topic: string): string;
  /** The same batches again, from a gateway that had lost NATS. */
  topicAgain(topic: string): string;
  /** What other programs publish to a topic: raw bytes. */
  topicFromOutside(topic: string): string;
  /** What is to be kept of a topic: JetStream stores it, in the stream of its retention. */
  kept(retention: Retention, topic: string): string;
  /** Where JetStream publishes it then: see keptOf. */
  topicKept(topic: string, epoch: string): string;
  /** Gateways ask each other for batches of topics that they have missed. */
  readonly repair: string;
  /** Where one gateway gets them; a pattern over its topics. */
  repaired(gateway: string): string;
  repairedTopic(gateway: string, topic: string): string;
  /** Where other gateways ask this one. */
  asked(gateway: string): string;
  /** Where they answer it. */
  answered(gateway: string): string;
  /** Where other gateways ask whoever has the session over HTTP of this key. */
  session(key: string): string;
  /** What a gateway is told of requests for sessions: its own, and those of its sessions. */
  sessions(gateway: string): string;
  /** Where NATS says that nobody has the session that this gateway's request is for. */
  sessionUnheard(gateway: string, number: string): string;
  /** A gateway asks all workers for their metrics. */
  readonly scrape: string;
  /** Where that gateway gets them. */
  scraped(gateway: string): string;
  /** What whoever deploys tells of it, for gateways whose dashboard somebody looks at. */
  readonly deploys: string;
  /** Where NATS answers whoever asks its JetStream: a prefix, of two more tokens. */
  readonly replies: string;
}

/** The NATS header by which a program outside marks what it publishes as text; without it, it is a binary frame. */
export const frameHeader = "Thinstate-Frame";
/** The one of what is kept for the ids of connections that do not get it, parted by commas. */
export const exceptHeader = "Thinstate-Except";

export function subjectsOf(namespace: string): Subjects {
  return {
    members: `${namespace}.members`,
    membersFromWorkers: `${namespace}.members.worker`,
    linkFromWorkers: (gateway) => `${namespace}.link.worker.${gateway}`,
    link: (processId) => `${namespace}.link.${processId}`,
    unheard: (processId, peer) => `${namespace}.unheard.${processId}.${peer}`,
    topic: (topic) => `${namespace}.topic.${encodeTopic(topic)}.*`,
    topicFromGateways: (topic) => `${namespace}.topic.${encodeTopic(topic)}.gateway`,
    topicAgain: (topic) => `${namespace}.topic.${encodeTopic(topic)}.again`,
    topicFromOutside: (topic) => `${namespace}.topic.${encodeTopic(topic)}.publish`,
    kept: ({ messages, seconds }, topic) => `${namespace}.history.${messages}.${seconds}.${encodeTopic(topic)}`,
    topicKept: (topic, epoch) => `${namespace}.topic.${encodeTopic(topic)}.kept-${epoch}`,
    repair: `${namespace}.repair`,
    repaired: (gateway) => `${namespace}.repaired.${gateway}.*`,
    repairedTopic: (gateway, topic) => `${namespace}.repaired.${gateway}.${encodeTopic(topic)}`,
    asked: (gateway) => `${namespace}.asked.${gateway}`,
    answered: (gateway) => `${namespace}.answered.${gateway}`,
    session: (key) => `${namespace}.session.${encodeTopic(key)}`,
    sessions: (gateway) => `${namespace}.sessions.${gateway}`,
    sessionUnheard: (gateway, number) => `${namespace}.session-unheard.${gateway}.${number}`,
    scrape: `${namespace}.scrape`,
    scraped: (gateway) => `${namespace}.scraped.${gateway}`,
    deploys: `${namespace}.deploys`,
    replies: `${namespace}.reply`,
  };
}

/** JetStream's key-value bucket for what is taken once. A bucket's name has no dots. */
export function oneTimeBucket(namespace: string): string {
  return `${namespace.replaceAll(".", "_")}-one-time`;
}

/** JetStream's key-value bucket for who runs which task. */
export function taskBucket(namespace: string): string {
  return `${namespace.replaceAll(".", "_")}-tasks`;
}

/** JetStream's key-value bucket for who has which lock. */
export function lockBucket(namespace: string): string {
  return `${namespace.replaceAll(".", "_")}-locks`;
}

/** Streams of history, one for each kind of retention: so many names, numbered from 1. */
export const mostHistoryStreams = 8;

export function historyStream(namespace: string, number: number): string {
  return `${namespace.replaceAll(".", "_")}-history-${number}`;
}

/** Whether a namespace can stand in front of a subject: letters, digits, `-` and `_`, in tokens parted by dots. */
export function isNamespace(text: string): boolean {
  return /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(text) && text.length <= 64;
}

/**
 * @throws {CodedError} "topic.invalid" where the topic is empty, longer than 256 bytes, or holds a lone surrogate.
 */
export function checkTopic(topic: string): void {
  if (typeof topic !== "string" || topic.length === 0) {
    throw new CodedError("topic.invalid", "a topic is a string that is not empty");
  }
  if (topic.length * 3 > topicLimitBytes && Buffer.byteLength(topic) > topicLimitBytes) {
    throw new CodedError("topic.invalid", `a topic has at most ${topicLimitBytes} bytes, this one has ${Buffer.byteLength(topic)}`);
  }
  if (!topic.isWellFormed()) throw new CodedError("topic.invalid", "a topic is well-formed Unicode");
}

export function isTopic(topic: string): boolean {
  try {
    checkTopic(topic);
    return true;
  } catch {
    return false;
  }
}

/** One subject token: letters, digits, `-` and `_` stay, every other byte of the UTF-8 becomes `=` and two hex digits. */
export function encodeTopic(topic: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(topic)) return topic;
  let token = "";
  for (const byte of Buffer.from(topic)) {
    const plain = (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 45 || byte === 95;
    token += plain ? String.fromCharCode(byte) : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return token;
}

/** The topic that a token stands for; mirrors `encodeTopic`. */
export function decodeTopic(token: string): string {
  return decodeURIComponent(token.replaceAll("=", "%"));
}

// What a turn asks for of topics: publishes, subscriptions, and what is told of a member. Applied to one connection, whose turn has committed.

import { decodePublish, decodePublishExcept } from "../protocol/payloads.ts";
import { checkTopic } from "../protocol/subjects.ts";
import { type Connection, ownerOf } from "./connection.ts";
import type { Members } from "./members.ts";
import type { PublishHere, Topics } from "./topics.ts";

export interface TopicEffectsOptions {
  readonly topics: Topics;
  readonly members: Members;
  readonly publishHere: PublishHere;
}

export class TopicEffects {
  private readonly options: TopicEffectsOptions;

  constructor(options: TopicEffectsOptions) {
    this.options = options;
  }

  publish(connection: Connection, payload: Buffer, isBinary: boolean, self: boolean): void {
    const { topic, data } = decodePublish(payload);
    checkTopic(topic);
    const { socket } = connection;
    if (!self && socket?.isSubscribed(topic)) socket.publish(topic, data, isBinary);
    else this.options.publishHere(topic, data, isBinary);
    this.options.topics.publishElsewhere(topic, data, isBinary);
  }

  publishExcept(connection: Connection, payload: Buffer, isBinary: boolean, self: boolean): void {
    const { topic, data, except } = decodePublishExcept(payload);
    checkTopic(topic);
    if (!self) except.push(connection.id);
    this.options.publishHere(topic, data, isBinary, except);
    this.options.topics.publishElsewhere(topic, data, isBinary, except);
  }

  subscribe(connection: Connection, topic: string): void {
    const { socket } = connection;
    if (socket === undefined) return;
    connection.topics ??= new Set();
    if (connection.topics.has(topic)) return;
    connection.topics.add(topic);
    void this.options.topics.want(topic);
    socket.subscribe(topic);
  }

  member(connection: Connection, payload: Buffer): void {
    const { topic, data } = decodePublish(payload);
    if (connection.socket === undefined || !connection.topics?.has(topic)) return;
    this.options.members.set(connection, topic, data.toString("utf8"), ownerOf(connection));
  }

  unsubscribe(connection: Connection, topic: string): void {
    if (!connection.topics?.delete(topic)) return;
    this.options.members.leave(connection, topic);
    // uWebSockets.js holds publishes back until something is sent or the turn of the event loop ends, and forgets them when
    // their topic is left before.
    connection.socket?.ping();
    connection.socket?.unsubscribe(topic);
    this.options.topics.release(topic);
  }
}

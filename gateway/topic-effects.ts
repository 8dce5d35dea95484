// What a turn asks for of topics: publishes, subscriptions, and what is told of a member. Applied to one connection, whose turn has committed.

import type { ErrorCode } from "../protocol/errors.ts";
import { asStored, entriesAfter, type HistoryEntry } from "../protocol/history.ts";
import { decodePublish, decodePublishExcept, decodePublishKept } from "../protocol/payloads.ts";
import { checkTopic } from "../protocol/subjects.ts";
import { decodeTogether } from "../protocol/together.ts";
import type { KeptSubscription } from "./commit-run.ts";
import { type Connection, ConnectionTopics, ownerOf, type Socket } from "./connection.ts";
import type { History } from "./history/history.ts";
import type { HookSubscribers } from "./hook-subscribers.ts";
import type { Members } from "./members.ts";
import { publishFrames } from "./together.ts";
import type { PublishHere, Topics } from "./topics.ts";

export interface TopicEffectsOptions {
  readonly topics: Topics;
  readonly members: Members;
  readonly hooks: HookSubscribers;
  readonly publishHere: PublishHere;
  readonly history: History;
  /** What a connection has published is not kept, or too much of it waits to be: it is closed. Not under a cork. */
  readonly onNotKept: (connection: Connection, code: ErrorCode, error?: unknown) => void;
}

interface Publish {
  readonly topic: string;
  /** A view. */
  readonly data: Buffer;
  readonly isBinary: boolean;
  /** `data` is frames, as encodeTogether has them. */
  readonly isTogether?: boolean;
  readonly except?: string[];
}

export class TopicEffects {
  private readonly options: TopicEffectsOptions;

  constructor(options: TopicEffectsOptions) {
    this.options = options;
  }

  publish(connection: Connection, payload: Buffer, isBinary: boolean, self: boolean): void {
    const { topic, data } = decodePublish(payload);
    checkTopic(topic);
    const { topics, history, hooks } = this.options;
    const { socket } = connection;
    if (!self && hooks.has(connection, topic)) return this.publishBehind(connection, { topic, data, isBinary, except: [connection.id] });
    if (self || !socket?.isSubscribed(topic)) return this.publishBehind(connection, { topic, data, isBinary });
    if (!history.outbox.isEmpty || history.topics.isHolding(topic)) {
      return this.publishBehind(connection, { topic, data, isBinary, except: [connection.id] });
    }
    socket.publish(topic, data, isBinary);
    hooks.publish(topic, data, isBinary);
    topics.publishElsewhere(topic, data, isBinary);
  }

  publishExcept(connection: Connection, payload: Buffer, isBinary: boolean, self: boolean): void {
    const { topic, data, except } = decodePublishExcept(payload);
    checkTopic(topic);
    if (!self) except.push(connection.id);
    this.publishBehind(connection, { topic, data, isBinary, except });
  }

  publishTogether(connection: Connection, payload: Buffer, self: boolean): void {
    const { topic, data, except } = decodePublishExcept(payload);
    checkTopic(topic);
    // What does not come apart is refused now, and not when what it waits for is stored.
    decodeTogether(data);
    if (!self) except.push(connection.id);
    this.publishBehind(connection, { topic, data, isBinary: false, isTogether: true, except });
  }

  publishKept(connection: Connection, payload: Buffer, isBinary: boolean, self: boolean): void {
    const { topic, data, except, retention } = decodePublishKept(payload);
    checkTopic(topic);
    if (!self) except.push(connection.id);
    const { history, onNotKept } = this.options;
    history.keep(connection.id, { topic, data, isBinary, except, owner: ownerOf(connection) }, retention, (error) => {
      if (error !== undefined) onNotKept(connection, error.code, error);
    });
  }

  /** Behind what the connection has published to the topic before, to be kept. */
  private publishBehind(connection: Connection, { topic, data, isBinary, isTogether, except }: Publish): void {
    const { publishHere, topics, history, onNotKept } = this.options;
    const publish = (bytes: Buffer) => {
      if (isTogether) {
        publishFrames(publishHere, topic, decodeTogether(bytes), except);
        return topics.publishTogetherElsewhere(topic, bytes, except ?? []);
      }
      publishHere(topic, bytes, isBinary, except);
      topics.publishElsewhere(topic, bytes, isBinary, except);
    };
    if (history.outbox.isEmpty) return publish(data);
    // It is a view of its batch.
    const own = Buffer.from(data);
    const owner = ownerOf(connection);
    if (!history.outbox.behind(connection.id, topic, { dataBytes: data.length, owner, run: () => publish(own) })) return publish(data);
    if (!history.outbox.hasRoom(owner)) setImmediate(() => onNotKept(connection, "history.total"));
  }

  /**
   * Sees to it that what these topics keep is here, and stays: their subscription is confirmed. Where it cannot be had, the connection is
   * closed. @returns what is to be called when the turn has been applied.
   */
  async load(connection: Connection, subscriptions: readonly KeptSubscription[]): Promise<() => void> {
    const { topics, history, onNotKept } = this.options;
    // Others may leave meanwhile.
    for (const { topic } of subscriptions) void topics.want(topic);
    const loading = await Promise.allSettled(subscriptions.map((each) => history.load(each.topic, each)));
    const failed = loading.find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") onNotKept(connection, "history.unavailable", failed.reason);
    return () => {
      for (const loaded of loading) if (loaded.status === "fulfilled") loaded.value.release();
      for (const { topic } of subscriptions) topics.release(topic);
    };
  }

  /**
   * What these topics keep has been loaded. It gets that, as it was stored, and then whatever is newer. Of those that it has already it gets
   * nothing here.
   */
  subscribeKept(connection: Connection, subscriptions: Iterable<KeptSubscription>): void {
    const { socket } = connection;
    if (socket === undefined) return;
    const backlog: HistoryEntry[] = [];
    for (const { topic, last, after } of subscriptions) {
      if (connection.topics?.has(topic)) continue;
      const latest = this.options.history.latest(topic, last);
      if (after !== undefined) backlog.push(...entriesAfter(latest, after));
      else for (const { data, isBinary } of latest) socket.send(data, isBinary);
      this.subscribe(connection, topic);
    }
    for (const { data, isBinary } of asStored(backlog)) socket.send(data, isBinary);
  }

  subscribe(connection: Connection, topic: string): void {
    const { socket } = connection;
    if (socket === undefined) return;
    if (this.isNew(connection, topic) || this.options.hooks.remove(connection, topic)) socket.subscribe(topic);
  }

  /** From now on its handler gets what is published, and its client does not. */
  subscribeHook(connection: Connection, topic: string): void {
    const { socket } = connection;
    if (socket === undefined) return;
    const { hooks } = this.options;
    if (!this.isNew(connection, topic) && !hooks.has(connection, topic)) leave(socket, topic);
    hooks.add(connection, topic);
  }

  /** @returns false where it subscribes to the topic already. */
  private isNew(connection: Connection, topic: string): boolean {
    connection.topics ??= new ConnectionTopics();
    if (connection.topics.has(topic)) return false;
    connection.topics.add(topic);
    void this.options.topics.want(topic);
    return true;
  }

  member(connection: Connection, payload: Buffer): void {
    const { topic, data } = decodePublish(payload);
    if (connection.socket === undefined || !connection.topics?.has(topic)) return;
    this.options.members.set(connection, topic, data.toString("utf8"), ownerOf(connection));
  }

  unsubscribe(connection: Connection, topic: string): void {
    if (!connection.topics?.delete(topic)) return;
    this.options.members.leave(connection, topic);
    if (!this.options.hooks.remove(connection, topic) && connection.socket !== undefined) leave(connection.socket, topic);
    this.options.topics.release(topic);
  }
}

// uWebSockets.js holds publishes back until something is sent or the turn of the event loop ends, and forgets them when their topic is
// left before.
function leave(socket: Socket, topic: string): void {
  socket.ping();
  socket.unsubscribe(topic);
}

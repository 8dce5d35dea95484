// Who is a member of which topic at this gateway, and what is told of them: for app.members. A connection is a member from the commit of the
// turn that says so until it unsubscribes, or its socket closes. Connections that are no members cost nothing here. Pure.

import type { MembersBody } from "../protocol/commands.ts";
import type { Connection } from "./connection.ts";

export interface MembersOptions {
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** Of what all members tell. Read each time. */
  readonly limits: MemberLimits;
}

export interface MemberLimits {
  readonly bytes: number;
}

/** Whose members tell so much: an address. */
export interface MemberOwner {
  memberBytes: number;
}

interface Member {
  readonly connection: Connection;
  readonly owner: MemberOwner | undefined;
  /** Of the topic's members, counted from 1: a list is told in several answers, and goes on behind the last. */
  readonly number: number;
  isGone: boolean;
  readonly since: number;
  info: string;
  /** Of its info, in UTF-8. */
  infoBytes: number;
}

interface Topic {
  readonly members: Map<Connection, Member>;
  /** By their number, with some that have gone. */
  order: Member[];
  last: number;
}

/** Of what one answer tells; a member that takes more than that goes alone. */
const sliceBytes = 64 * 1024;
/** What a member takes besides what it tells. */
const memberBytes = 128;
/** Of what all members may tell, what those of one owner may. */
const ownerShare = 1 / 4;

export class Members {
  /** Of all topics. */
  size = 0;
  /** What they take: what they tell, and memberBytes each. */
  bytes = 0;
  private readonly options: MembersOptions;
  private readonly topics = new Map<string, Topic>();
  /** Of which topics a connection is a member. */
  private readonly memberships = new Map<Connection, Set<string>>();

  constructor(options: MembersOptions) {
    this.options = options;
  }

  /** @param told What a connection would tell, in bytes, by topic. @param owner undefined: it may have as much as there is. */
  hasRoom(connection: Connection, told: ReadonlyMap<string, number>, owner: MemberOwner | undefined): boolean {
    let more = 0;
    for (const [name, infoBytes] of told) {
      const known = this.topics.get(name)?.members.get(connection);
      more += known === undefined ? infoBytes + memberBytes : infoBytes - known.infoBytes;
    }
    const { bytes } = this.options.limits;
    return more <= 0 || (this.bytes + more <= bytes && (owner === undefined || owner.memberBytes + more <= bytes * ownerShare));
  }

  /** It is a member, or tells something else from now on. @param info JSON. */
  set(connection: Connection, name: string, info: string, owner?: MemberOwner): void {
    let topic = this.topics.get(name);
    if (topic === undefined) {
      topic = { members: new Map(), order: [], last: 0 };
      this.topics.set(name, topic);
    }
    const known = topic.members.get(connection);
    const infoBytes = Buffer.byteLength(info);
    if (known !== undefined) {
      this.take(known.owner, infoBytes - known.infoBytes);
      Object.assign(known, { info, infoBytes });
      return;
    }
    const member = { connection, owner, number: ++topic.last, isGone: false, since: this.options.wallClock(), info, infoBytes };
    topic.members.set(connection, member);
    topic.order.push(member);
    this.size++;
    this.take(owner, infoBytes + memberBytes);
    const names = this.memberships.get(connection);
    if (names === undefined) this.memberships.set(connection, new Set([name]));
    else names.add(name);
  }

  /** It does not subscribe to the topic any more. */
  leave(connection: Connection, name: string): void {
    const names = this.memberships.get(connection);
    if (!names?.delete(name)) return;
    if (names.size === 0) this.memberships.delete(connection);
    this.remove(connection, name);
  }

  /** Its socket has closed. */
  forget(connection: Connection): void {
    const names = this.memberships.get(connection);
    if (names === undefined) return;
    this.memberships.delete(connection);
    for (const name of names) this.remove(connection, name);
  }

  /** @param after The number behind which to go on; 0: from the beginning. @param limit So many at most. */
  list(name: string, after: number, limit = Number.POSITIVE_INFINITY): MembersBody {
    const told: MembersBody = { ids: [], users: [], info: [], since: [] };
    const { order = [] } = this.topics.get(name) ?? {};
    let bytes = 0;
    let last = after;
    for (let index = firstBehind(order, after); index < order.length; index++) {
      const { connection, isGone, number, since, info, infoBytes } = order[index] as Member;
      if (isGone) continue;
      const { id, user = "" } = connection;
      bytes += id.length + user.length + infoBytes;
      if (told.ids.length >= Math.max(1, limit) || (told.ids.length > 0 && bytes > sliceBytes)) return { ...told, next: last };
      told.ids.push(id);
      told.users.push(user);
      told.info.push(info);
      told.since.push(since);
      last = number;
    }
    return told;
  }

  private remove(connection: Connection, name: string): void {
    const topic = this.topics.get(name);
    const member = topic?.members.get(connection);
    if (topic === undefined || member === undefined) return;
    topic.members.delete(connection);
    member.isGone = true;
    if (topic.members.size === 0) this.topics.delete(name);
    else if (topic.order.length > 2 * topic.members.size) topic.order = topic.order.filter(({ isGone }) => !isGone);
    this.size--;
    this.take(member.owner, -member.infoBytes - memberBytes);
  }

  private take(owner: MemberOwner | undefined, bytes: number): void {
    this.bytes += bytes;
    if (owner !== undefined) owner.memberBytes += bytes;
  }
}

/** Where the numbers above this one begin. */
function firstBehind(order: readonly Member[], after: number): number {
  let [from, to] = [0, order.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((order[middle] as Member).number <= after) from = middle + 1;
    else to = middle;
  }
  return from;
}

// What handlers see of a topic's members, made of what gateways tell. Pure.

import type { MembersBody } from "../protocol/commands.ts";
import { CodedError } from "../protocol/errors.ts";
import { frameOf } from "./effects.ts";
import type { Member, MembersFilter, Sendable } from "./handler.ts";

/** Of what is told of a member, as JSON. */
const infoBytes = 1024;

/** What a gateway keeps of `as`. @throws {CodedError} "member.invalid" */
export function encodeInfo(info: unknown): string {
  const json = jsonOf(info);
  const bytes = Buffer.byteLength(json);
  if (bytes <= infoBytes) return json;
  throw new CodedError("member.invalid", `what is told of a member has ${bytes} bytes of JSON, at most ${infoBytes} are allowed`);
}

function jsonOf(info: unknown): string {
  // A string is text to `send`, and JSON here.
  if (typeof info === "string") return JSON.stringify(info);
  try {
    const { payload } = frameOf(info as Sendable);
    if (typeof payload === "string") return payload;
  } catch (cause) {
    throw new CodedError("member.invalid", "there is no JSON for what is told of a member", { cause });
  }
  throw new CodedError("member.invalid", "bytes are no JSON, which is what is told of a member");
}

/** What one gateway has told. @throws {CodedError} "envelope.malformed" */
export function membersOf(gateway: string, { ids, users, info, since }: MembersBody): Member[] {
  if ([users, info, since].some(({ length }) => length !== ids.length)) {
    throw new CodedError("envelope.malformed", "a list of members has columns of different lengths");
  }
  return ids.map((id, index) => {
    const user = users[index] === "" ? undefined : users[index];
    return { id, gateway, user, info: JSON.parse(info[index] ?? ""), since: new Date(since[index] ?? 0), connections: 1 };
  });
}

/** In the order in which they became members; with `by: "user"`, a user's connections joined. */
export function listed(members: readonly Member[], { by }: MembersFilter = {}): Member[] {
  const sorted = members.toSorted((a, b) => a.since.getTime() - b.since.getTime() || (a.id < b.id ? -1 : 1));
  return by === "user" ? joinedByUser(sorted) : sorted;
}

/** A user is there since the first of his connections, and what is told of him is what the last one told. */
function joinedByUser(sorted: readonly Member[]): Member[] {
  const joined = new Map<string, Member>();
  for (const member of sorted) {
    // An id has a `-`, and stands for itself behind a character that no user begins with here.
    const key = member.user === undefined ? `connection ${member.id}` : `user ${member.user}`;
    const first = joined.get(key);
    joined.set(key, first === undefined ? member : { ...member, since: first.since, connections: first.connections + 1 });
  }
  return [...joined.values()];
}

// The members of a topic at all gateways, a page at a time: one gateway after the other, by id. Each page asks those only that it tells of.

import type { MembersBody, ResultBody } from "../../protocol/commands.ts";
import type { GatewayCommand } from "../../protocol/gateway-questions.ts";

export interface PageWanted {
  /** At least 1. */
  readonly limit: number;
  /** Where the last page ended; undefined: from the beginning. */
  readonly cursor: Cursor | undefined;
}

export interface Cursor {
  readonly gateway: string;
  /** The number of a member there, behind which to go on. */
  readonly after: number;
}

export interface MemberPage {
  /** At most as many as were wanted. There may be fewer although others follow: gateways tell at most 64 KiB each. */
  readonly members: readonly ToldMember[];
  /** Where to go on; undefined: that was all. */
  readonly next: Cursor | undefined;
}

/** As conn.members tells a handler. */
interface ToldMember {
  readonly id: string;
  readonly gateway: string;
  readonly user?: string;
  readonly info: unknown;
  /** ISO 8601. */
  readonly since: string;
}

export interface Gateways {
  /** All of them, this one included, by id. */
  ids(): Promise<readonly string[]>;
  /** @returns undefined where it has gone. */
  at(gateway: string, command: GatewayCommand): Promise<ResultBody | undefined>;
}

/** Rejects as these do. */
export async function memberPage(topic: string, { limit, cursor }: PageWanted, gateways: Gateways): Promise<MemberPage> {
  const members: ToldMember[] = [];
  for (const gateway of await gateways.ids()) {
    // One that has come since, with a lower id, is in the next list.
    if (cursor !== undefined && gateway < cursor.gateway) continue;
    if (members.length === limit) return { members, next: { gateway, after: 0 } };
    const after = gateway === cursor?.gateway ? cursor.after : 0;
    const told = await gateways.at(gateway, { kind: "members", topic, after, limit: limit - members.length });
    if (typeof told !== "object" || !("info" in told)) continue;
    members.push(...membersOf(gateway, told));
    if (told.next !== undefined) return { members, next: { gateway, after: told.next } };
  }
  return { members, next: undefined };
}

/** For a URL. */
export function encodeCursor({ gateway, after }: Cursor): string {
  return `${gateway}.${after}`;
}

/** @returns undefined where it is none. */
export function decodeCursor(text: string): Cursor | undefined {
  const [, gateway, after] = /^([A-Za-z0-9_-]{1,64})\.(\d{1,15})$/.exec(text) ?? [];
  return gateway === undefined || after === undefined ? undefined : { gateway, after: Number(after) };
}

function membersOf(gateway: string, { ids, users, info, since }: MembersBody): ToldMember[] {
  return ids.map((id, index) => {
    const user = users[index] ?? "";
    const told = { id, gateway, info: JSON.parse(info[index] ?? "null") as unknown, since: new Date(since[index] ?? 0).toISOString() };
    return user === "" ? told : { ...told, user };
  });
}

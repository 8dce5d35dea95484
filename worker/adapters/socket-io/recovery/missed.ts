// What a client that comes back has missed: of what its rooms have got, and of what was ordered (rooms/broadcast.ts), what is behind what it has
// seen. Pure.

import type { HistoryEntry } from "../../../handler.ts";
import type { SocketRecovery } from "../protocol/turn.ts";
import { isMeant, type Order } from "../rooms/broadcast.ts";
import { bytesOf, type Entries, mostEntries } from "./few-reads.ts";
import { copiedBytes, isSentBy, type Keep, offsetOf, receiptOf, timeOf } from "./offset.ts";

/** What is kept is there for longer than it is needed: a turn may be late, and reading takes its time. */
export const marginMs = 5_000;
/**
 * A list that has more may be without its oldest entries. app.history reads 512 KiB, or half of NATS' max_payload where that is less, which
 * is not known here: this is safe down to a max_payload of 768 KiB, since an entry that did not fit has at most 256 KiB (offset.ts).
 */
const wholeBytes = 128 * 1024;
/** How many orders are noted that are on their way. They are in the state. */
export const relayedLimit = 24;
/** What is sent to a client that has missed it: all goes out in one turn. */
const missedBytes = 512 * 1024;

/** An event that a room has got, or that was ordered: see rooms/broadcast.ts. */
export interface RoomEvent {
  readonly text: string;
  readonly offset: string;
  /** Its place in the order of all. */
  readonly number: number;
  /** Lower where it may have been sent from there on: it was ordered, and is not copied. */
  readonly from: number;
  /** When it was stored, in ms since 1970. */
  readonly at: number;
  /** It was ordered, and no turn of the socket has dealt with it, or in vain: whatever its client has seen, it has not seen this. */
  readonly isDue: boolean;
}

/** A client that comes back. */
export interface Returning {
  readonly socketId: string;
  readonly rooms: ReadonlySet<string>;
  readonly recovery: SocketRecovery | undefined;
  /** As the client tells. */
  readonly offset: unknown;
  /** From when the socket was new. undefined: it is not kept any more. */
  readonly beginning: HistoryEntry | undefined;
  /** Tells whose it is, and when. */
  readonly claim: HistoryEntry;
  /** What is stored behind it is not missed: it comes by its topics. Rooms are read one after the other, and would lose their order. */
  readonly mark: HistoryEntry;
  /** See Kept. */
  readonly end?: string | undefined;
  readonly keep: Keep;
}

/** What was ordered, parsed once for all who have missed it. */
export interface Ordered {
  readonly entry: HistoryEntry;
  readonly order: Order;
  /** The event that sockets get. */
  readonly text: string;
  readonly offset: string;
}

/** @returns undefined where something may be missing. */
export function missedOf(rooms: readonly Entries[], orders: readonly Ordered[], client: Returning): RoomEvent[] | undefined {
  const dueAfter = dueAfterOf(orders, client);
  const kept = ofStream(rooms.flat(), client);
  // What was ordered while it was there is in its own room, too, or a receipt is: in the place in which it got it.
  const numbers = new Map(kept.map((entry) => [entry.data.text(), numberOf(entry)]));
  const meant = orders.filter(({ entry, order, offset }) => offset !== "" && isUpToMark(entry, client) && isMeant(order, client.rooms));
  const orderEntries = orders.map(({ entry }) => entry);
  const lists = [...rooms, orderEntries];
  const uncopied = meant.filter(({ text }) => !numbers.has(text));
  const lost = lostOf(uncopied, lists, numbers, client);
  if (lost.some((each) => isUnsure(each, client))) return undefined;
  const isDue = (each: Ordered) => numberOf(each.entry) > dueAfter || lost.includes(each);
  const upToMark = kept.filter((entry) => isUpToMark(entry, client));
  const ordered = uncopied.map((each) => eventOfOrder(each, numbers, isDue(each)));
  const all = [...upToMark.flatMap(eventOf), ...ordered].sort((a, b) => a.number - b.number);
  const isNew = newnessOf(all, client, wholeSince(lists.flat(), client));
  if (isNew === undefined) return undefined;
  const first = (list: Entries) => ({ number: numberOf(list[0]), isDue: list === orderEntries && numberOf(list[0]) > dueAfter });
  if (lists.some((list) => isCut(list) && isNew(first(list)))) return undefined;
  const missed = all.filter((event) => isNew(event) && !isSentBy(event.offset, client.socketId));
  return missed.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0) > missedBytes ? undefined : missed;
}

export function epochOf({ position }: HistoryEntry): string {
  return position.split(":")[0] ?? "";
}

/** Of one stream. Before all others: 0. */
export function numberOf(entry: HistoryEntry | undefined): number {
  return Number(entry?.position.split(":")[1] ?? 0);
}

/** Streams of other durations, as of the release before, have another order. */
function ofStream(entries: Entries, { claim }: Pick<Returning, "claim">): HistoryEntry[] {
  return entries.filter((entry) => epochOf(entry) === epochOf(claim));
}

/** Whether it was stored in the same stream, and not behind the mark. */
export function isUpToMark(entry: HistoryEntry, { mark }: Pick<Returning, "mark">): boolean {
  return epochOf(entry) === epochOf(mark) && numberOf(entry) <= numberOf(mark);
}

/** The last order that a turn of the socket has dealt with. */
function dueAfterOf(orders: readonly Ordered[], client: Returning): number {
  const { passed } = client.recovery ?? {};
  // A release that did not note it: what came before what the client has seen counts as heard.
  if (passed === undefined) return Infinity;
  if (passed === "") return numberOf(client.beginning);
  return numberOf(orders.find(({ entry, offset }) => offset === passed && isUpToMark(entry, client))?.entry);
}

/** Those that a turn of the socket has put on their way to its own room, and that never got there. */
function lostOf(
  uncopied: readonly Ordered[],
  lists: readonly Entries[],
  numbers: ReadonlyMap<string, number>,
  { recovery, end, offset: seen }: Returning,
): Ordered[] {
  const relayed = recovery?.relayed ?? [];
  // Some may be on their way, if the end is: they come by its room.
  if (end === undefined || !numbers.has(receiptOf(end))) return [];
  const cut = lists.filter(isCut);
  const wasSent = (offset: string) => offset === seen || numbers.has(receiptOf(offset));
  const isWhole = (entry: HistoryEntry) => cut.every((list) => numberOf(list[0]) < numberOf(entry));
  return uncopied.filter(({ entry, offset }) => relayed.includes(offset) && !wasSent(offset) && isWhole(entry));
}

/** A large one was sent at once: its client may have got it. Before the first that is noted, others may have been lost. */
function isUnsure({ order, offset }: Ordered, { recovery }: Returning): boolean {
  const relayed = recovery?.relayed ?? [];
  const isLarge = Buffer.byteLength(order.emit?.text ?? "") > copiedBytes;
  return isLarge || (relayed.length >= relayedLimit && relayed[0] === offset);
}

/** From when on, in ms since 1970, all that was emitted is kept, and has one order. */
function wholeSince(entries: Entries, { claim, keep }: Returning): number {
  const others = entries.filter((entry) => epochOf(entry) !== epochOf(claim));
  return others.reduce((latest, { at }) => Math.max(latest, at.getTime() + 1), claim.at.getTime() - keep.seconds * 1_000 + marginMs);
}

/** What tells those that the client has not seen. undefined: nothing does, or some of them may not be kept any more. */
function newnessOf(
  all: readonly RoomEvent[],
  { recovery, offset, beginning }: Returning,
  wholeSince: number,
): ((event: Pick<RoomEvent, "number" | "isDue">) => boolean) | undefined {
  const emittedAt = typeof offset === "string" ? timeOf(offset) : 0;
  if (emittedAt === undefined) return undefined;
  const seen = all.find((event) => event.offset === offset);
  // It has got nothing yet: clients have no offset then, or one from a socket that they had before.
  const hasNothing = seen === undefined && emittedAt < (recovery?.since ?? 0);
  const at = seen?.at ?? (hasNothing ? beginning?.at.getTime() : undefined);
  if (at === undefined || at < wholeSince) return undefined;
  if (seen !== undefined && all.some((event) => isEitherFirst(event, seen))) return undefined;
  const latest = Math.max(seen?.number ?? 0, numberOf(beginning));
  return ({ number, isDue }) => isDue || number > latest;
}

/** Orders are sent in their order; a room's event, while an order was on its way, before or behind it. */
function isEitherFirst(a: RoomEvent, b: RoomEvent): boolean {
  const isOneOrder = a.from < a.number !== b.from < b.number;
  return isOneOrder && !a.isDue && a.from < b.number && a.number > b.from;
}

function eventOf(entry: HistoryEntry): RoomEvent[] {
  const text = entry.data.text();
  const offset = offsetOf(text);
  const number = numberOf(entry);
  return offset === undefined ? [] : [{ text, offset, from: number, number, at: entry.at.getTime(), isDue: false }];
}

/** @param numbers Of its rooms' entries, receipts among them, by their text. */
function eventOfOrder({ entry, text, offset }: Ordered, numbers: ReadonlyMap<string, number>, isDue: boolean): RoomEvent {
  const from = numberOf(entry);
  return { text, offset, from, number: numbers.get(receiptOf(offset)) ?? from, at: entry.at.getTime(), isDue };
}

/** The offset is empty where it emits nothing that can be recovered. */
export function orderedOf(entry: HistoryEntry): Ordered {
  const order = entry.data.json() as Order;
  const text = `4${order.emit?.text ?? ""}`;
  return { entry, order, text, offset: offsetOf(text) ?? "" };
}

/** Whether there may have been more than app.history has read. */
function isCut(list: Entries): boolean {
  return list.length >= mostEntries || bytesOf(list) > wholeBytes;
}

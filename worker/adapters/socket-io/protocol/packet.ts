// Socket.IO's packets, protocol 5: text that travels within Engine.IO's messages, and the binary attachments behind it. Pure.
// Source: socket.io-protocol v5, "Packet encoding".

import { parseJson, viewOf } from "../../../adapter.ts";
import { invalid } from "../../engine-io/engine.ts";
import { parsePlainList, plainJson } from "../../plain-json.ts";

/** Source: "Packet types". */
export const packetType = {
  connect: 0,
  disconnect: 1,
  event: 2,
  ack: 3,
  connectError: 4,
  binaryEvent: 5,
  binaryAck: 6,
} as const;

export interface Packet {
  /** One of packetType. A binary event is an event, and a binary ack an ack, once their attachments are in place. */
  readonly type: number;
  /** `/` is the main one. */
  readonly nsp: string;
  /** Of an event that wants to be acknowledged, and of its ack. */
  readonly id?: number | undefined;
  readonly data?: unknown;
}

export interface EncodedPacket {
  readonly text: string;
  readonly attachments: readonly Uint8Array[];
}

/** As many as the usual servers and clients take. */
export const attachmentLimit = 10;

/** Type, attachments, namespace, id. */
const headPattern = /^([0-6])(?:(?<=[56])(\d+)-)?(?:(\/[^,]*)(?:,|$))?(\d{1,15}(?=\[))?/;

/** How many arguments an event or an ack has: listeners are called with all of them, and many more overflow a stack. */
const argumentLimit = 10_000;

/** How deep a payload may be nested: less than a state, and than what overflows a stack. */
const depthLimit = 200;

const none: readonly Uint8Array[] = [];

/** What only the two sides themselves may tell. */
const reservedEvents = new Set(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]);

/** @throws {Error} as Socket.IO's own server: clients would take it for what only their own side may tell. */
export function checkEventName(name: unknown): void {
  if (reservedEvents.has(name as string)) throw new Error(`"${name}" is a reserved event name`);
}

/** `2/chat,7["hi"]` @throws {TypeError} where a value has no JSON. */
export function encodePacket({ type, nsp, id, data }: Packet): EncodedPacket {
  const place = `${nsp === "/" ? "" : `${nsp},`}${id ?? ""}`;
  if (!hasBinary(data)) return { text: `${type}${place}${jsonOf(data)}`, attachments: none };
  const attachments: Uint8Array[] = [];
  const json = JSON.stringify(
    replaced(data, (part) => {
      if (isBinary(part)) return { _placeholder: true, num: attachments.push(viewOf(part)) - 1 };
      return "toJSON" in part && typeof part.toJSON === "function" ? part : undefined;
    }),
  );
  const binaryType = type === packetType.event ? packetType.binaryEvent : packetType.binaryAck;
  return { text: `${binaryType}${attachments.length}-${place}${json}`, attachments };
}

/** An event is a list, of little else than strings mostly. */
function jsonOf(data: unknown): string {
  if (!Array.isArray(data)) return data === undefined ? "" : JSON.stringify(data);
  let list = "[";
  for (let index = 0; index < data.length; index++) {
    const value: unknown = data[index];
    if (index > 0) list += ",";
    const plain = typeof value === "string" ? plainJson(value) : undefined;
    list += plain ?? JSON.stringify(value) ?? "null";
  }
  return `${list}]`;
}

/** How many attachments follow a packet's text. @throws {CodedError} "message.invalid" */
export function attachmentsOf(text: string): number {
  if (text[0] !== "5" && text[0] !== "6") return 0;
  const count = /^.(\d{1,3})-/.exec(text)?.[1];
  if (count === undefined) throw invalid("a binary packet begins with how many attachments it has, as in 51-");
  if (Number(count) > attachmentLimit) throw invalid(`a packet has at most ${attachmentLimit} attachments`);
  return Number(count);
}

/** @param attachments as many as `attachmentsOf` says. @throws {CodedError} "message.invalid", "message.notJson" */
export function decodePacket(text: string, attachments: readonly Uint8Array[] = []): Packet {
  if (text.startsWith("2["))
    return { type: packetType.event, nsp: "/", id: undefined, data: payload(packetType.event, text, 1, attachments) };
  const head = headPattern.exec(text);
  if (head === null) throw invalid("a packet begins with its type, a digit from 0 to 6");
  const [all = "", digit, , nsp = "/", id] = head;
  const type = Number(digit) >= packetType.binaryEvent ? Number(digit) - 3 : Number(digit);
  return { type, nsp, id: id === undefined ? undefined : Number(id), data: payload(type, text, all.length, attachments) };
}

function payload(type: number, text: string, start: number, attachments: readonly Uint8Array[]): unknown {
  const data = start === text.length ? undefined : (parsePlainList(text, start) ?? parseJson(text.slice(start)));
  if (text.length > 2 * depthLimit && isDeeper(data, depthLimit)) throw invalid(`a payload is at most ${depthLimit} levels deep`);
  if (!isPayload(type, data)) throw invalid(`${text.slice(start, 80)} is no payload of a packet of type ${text[0]}`);
  if (attachments.length === 0) return data;
  let placeholders = 0;
  return replaced(data, (part) => {
    if (!isPlaceholder(part)) return undefined;
    // Whoever sends on what he got would send the same bytes as often.
    if (++placeholders > attachments.length) throw invalid("an attachment has one place");
    return bytesAt(attachments, part.num);
  });
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null || isBinary(value)) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

function isPayload(type: number, data: unknown): boolean {
  switch (type) {
    case packetType.connect:
      return data === undefined || (typeof data === "object" && data !== null && !Array.isArray(data));
    case packetType.disconnect:
      return data === undefined;
    case packetType.event:
      return isArguments(data) && (typeof data[0] === "number" || (typeof data[0] === "string" && !reservedEvents.has(data[0])));
    case packetType.ack:
      return isArguments(data);
    default:
      // A server refuses, and is not refused.
      return false;
  }
}

function isArguments(data: unknown): data is unknown[] {
  return Array.isArray(data) && data.length <= argumentLimit;
}

// As Socket.IO's own server has them. A client may send any `num`: the name of what every array has, for one.
function bytesAt(attachments: readonly Uint8Array[], num: unknown): Buffer {
  const bytes = Number.isInteger(num) ? attachments[num as number] : undefined;
  if (bytes === undefined) throw invalid(`there is no attachment ${JSON.stringify(num)}`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function isPlaceholder(value: object): value is { readonly num: unknown } {
  return "_placeholder" in value && value._placeholder === true && "num" in value;
}

function isBinary(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function hasBinary(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasBinary);
  return isBinary(value) || Object.values(value).some(hasBinary);
}

/** A copy, in which something else stands for the objects that `replace` returns it for. */
function replaced(value: unknown, replace: (part: object) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const instead = replace(value);
  if (instead !== undefined) return instead;
  if (Array.isArray(value)) return value.map((each) => replaced(each, replace));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, replaced(each, replace)]));
}

// The wire format between gateway and worker: a batch of records in one NATS message. What is said once per batch is
// msgpack; what is said once per record is sixteen bytes in a table; payloads lie in one block, copied there once.
//
//   offset 0   u8   protocol version
//          1   u8   'B'
//          2   u16  header bytes (little endian, as all numbers here)
//          4   u32  records
//          8   u32  block bytes
//         12   the block: the payloads, one after the other
//          …   the table: for each record  u8 type, u8 flags, u16 extra, u32 slot, u32 epoch, u32 payload bytes
//          …   the header: msgpack
//
// Table and header come last, so that a batch grows in place and is never copied again. docs/wire.md has the same, with
// the meaning of each record.

import { type BatchHeader, HeaderLayout, KnownHeaders } from "./batch-header.ts";
import { CodedError } from "./errors.ts";

/** What this process speaks. It also understands `protocolVersion - 1` where there is one. */
export const protocolVersion = 1;

const preludeBytes = 12;
const rowBytes = 16;
/** What is smaller is copied in a loop: to make views of it costs more. V8 keeps numbers of so many bytes in the object itself. */
const smallTableBytes = 64;
const letter = 0x42;

/** One record of a batch, before it is encoded. */
export interface RecordHead {
  readonly type: number;
  readonly flags: number;
  /** 16 bits, by type: a close code, a count of flushes. */
  readonly extra: number;
  /** The connection's place at its gateway, or the number of a request. */
  readonly slot: number;
  readonly epoch: number;
}

/** A view of a slab that batches are cut from: many small batches share one allocation. */
const slabBytes = 256 * 1024;

/**
 * Collects records until they are sealed into one NATS message. The bytes it hands out are never written to again, so
 * they can be sent a second time and messages can be kept as views of them.
 */
export class BatchBuilder {
  private slab = Buffer.alloc(0);
  /** Where the batch being built starts, and where its block ends. */
  private start = 0;
  private end = 0;
  private table = new Uint32Array(4 * 256);
  /** The same memory. */
  private rows = new Uint8Array(this.table.buffer);
  private count = 0;
  private layout: HeaderLayout | undefined;

  get records(): number {
    return this.count;
  }

  /** Bytes the sealed batch will have, but for its header. */
  get bytes(): number {
    return this.count === 0 ? 0 : this.end - this.start + this.count * rowBytes;
  }

  /**
   * Adds a record and copies its payload.
   * @returns where the payload lies in `memory`.
   */
  append(head: RecordHead, payload: Uint8Array): number {
    const at = this.place(head.type, head.flags, head.extra, head.slot, head.epoch, payload.length);
    this.slab.set(payload, at);
    return at;
  }

  /** Adds a record without a payload. */
  appendEmpty(head: RecordHead): void {
    this.place(head.type, head.flags, head.extra, head.slot, head.epoch, 0);
  }

  /** Adds a record whose payload is text, encoded in place. */
  appendText(head: RecordHead, text: string, bytes: number): void {
    const at = this.place(head.type, head.flags, head.extra, head.slot, head.epoch, bytes);
    // As many bytes as UTF-16 units: it is ASCII, which is written faster so.
    this.slab.write(text, at, bytes, bytes === text.length ? "latin1" : "utf8");
  }

  /** What the payload that was appended last lies in. It stays as it is for as long as somebody refers to it. */
  get memory(): Uint8Array {
    return this.slab;
  }

  /** Ends the batch, which has at least one record. The builder starts the next one behind it. */
  seal(header: BatchHeader): Buffer {
    const layout = this.layoutFor(header);
    const tableBytes = this.count * rowBytes;
    this.room(tableBytes + layout.bytes);
    const { slab, start } = this;
    writePrelude(slab, start, { headerBytes: layout.bytes, records: this.count, blockBytes: this.end - start - preludeBytes });
    this.writeTable(tableBytes);
    layout.write(slab, this.end + tableBytes, header);
    const sealed = slab.subarray(start, this.end + tableBytes + layout.bytes);
    this.start = this.end = start + sealed.length;
    this.count = 0;
    return sealed;
  }

  private layoutFor({ from, to }: BatchHeader): HeaderLayout {
    if (this.layout?.from !== from || this.layout.to !== to) this.layout = new HeaderLayout(from, to);
    return this.layout;
  }

  private writeTable(tableBytes: number): void {
    const { slab, rows, end } = this;
    if (tableBytes > smallTableBytes) slab.set(rows.subarray(0, tableBytes), end);
    else for (let index = 0; index < tableBytes; index++) slab[end + index] = rows[index] as number;
  }

  private place(type: number, flags: number, extra: number, slot: number, epoch: number, bytes: number): number {
    if (this.count === 0) this.open(bytes);
    this.room(bytes);
    const row = this.count * 4;
    if (row === this.table.length) {
      const wider = new Uint32Array(row * 2);
      wider.set(this.table);
      this.table = wider;
      this.rows = new Uint8Array(wider.buffer);
    }
    // x64 and arm64 are little endian, and uWebSockets.js exists for no other: the rows are written as they are in memory.
    this.table[row] = type | (flags << 8) | (extra << 16);
    this.table[row + 1] = slot;
    this.table[row + 2] = epoch;
    this.table[row + 3] = bytes;
    this.count++;
    const at = this.end;
    this.end += bytes;
    return at;
  }

  private open(bytes: number): void {
    if (this.slab.length - this.start < bytes + 4096) {
      this.slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes + 4096));
      this.start = 0;
    }
    this.end = this.start + preludeBytes;
  }

  // Moves the batch to a larger slab where the next `bytes` would not fit. Views that were handed out stay with the old one.
  private room(bytes: number): void {
    if (this.end + bytes <= this.slab.length) return;
    const used = this.end - this.start;
    const wider = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (used + bytes)));
    wider.set(this.slab.subarray(this.start, this.end));
    this.slab = wider;
    this.start = 0;
    this.end = used;
  }
}

/** A batch without records: an acknowledgement that no batch could carry. */
export function encodeEmptyBatch(header: BatchHeader): Buffer {
  const layout = new HeaderLayout(header.from, header.to);
  const bytes = Buffer.alloc(preludeBytes + layout.bytes);
  writePrelude(bytes, 0, { headerBytes: layout.bytes, records: 0, blockBytes: 0 });
  layout.write(bytes, preludeBytes, header);
  return bytes;
}

function writePrelude(bytes: Buffer, at: number, parts: { headerBytes: number; records: number; blockBytes: number }): void {
  bytes[at] = protocolVersion;
  bytes[at + 1] = letter;
  bytes.writeUInt16LE(parts.headerBytes, at + 2);
  bytes.writeUInt32LE(parts.records, at + 4);
  bytes.writeUInt32LE(parts.blockBytes, at + 8);
}

/** A received batch: its header, and its records by position. */
export class Batch {
  readonly header: BatchHeader;
  readonly records: number;
  private readonly bytes: Buffer;
  /** What the bytes lie in, and where: to ask a buffer for it takes as long as to make a view. */
  private readonly memory: ArrayBufferLike;
  private readonly base: number;
  /** The rows, in each of which the payload's length is replaced by the offset where the payload ends. */
  private readonly table: Uint32Array;

  constructor(bytes: Buffer, header: BatchHeader, records: number, table: Uint32Array) {
    this.bytes = bytes;
    this.memory = bytes.buffer;
    this.base = bytes.byteOffset;
    this.header = header;
    this.records = records;
    this.table = table;
  }

  type(index: number): number {
    return (this.table[index * 4] as number) & 0xff;
  }

  flags(index: number): number {
    return ((this.table[index * 4] as number) >>> 8) & 0xff;
  }

  extra(index: number): number {
    return (this.table[index * 4] as number) >>> 16;
  }

  slot(index: number): number {
    return this.table[index * 4 + 1] as number;
  }

  epoch(index: number): number {
    return this.table[index * 4 + 2] as number;
  }

  /** A view of the batch's own bytes: copy it to keep it. Twice as quick as `payload`, whose methods few need. */
  view(index: number): Uint8Array {
    const start = this.start(index);
    return new Uint8Array(this.memory, this.base + start, this.end(index) - start);
  }

  /** The same as a buffer. */
  payload(index: number): Buffer {
    return this.bytes.subarray(this.start(index), this.end(index));
  }

  /** The payload as text. */
  text(index: number): string {
    return this.bytes.toString("utf8", this.start(index), this.end(index));
  }

  private start(index: number): number {
    return index === 0 ? preludeBytes : this.end(index - 1);
  }

  private end(index: number): number {
    return this.table[index * 4 + 3] as number;
  }
}

/**
 * @param bytes One NATS message. The batch keeps a view of it.
 * @param known headers of the peers that send to this process: see there.
 * @throws {CodedError} "envelope.version" or "envelope.malformed"; nothing else, whatever the bytes are.
 */
export function decodeBatch(bytes: Uint8Array, known = new KnownHeaders()): Batch {
  if (bytes.length < preludeBytes || bytes[1] !== letter) throw new CodedError("envelope.malformed", "not a batch");
  if (bytes[0] !== protocolVersion)
    throw new CodedError("envelope.version", `batch of version ${bytes[0]}, this process speaks ${protocolVersion}`);
  const view = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.readUInt16LE(2);
  const records = view.readUInt32LE(4);
  const tableAt = preludeBytes + view.readUInt32LE(8);
  const headerAt = tableAt + records * rowBytes;
  if (headerAt + headerBytes !== bytes.length) throw new CodedError("envelope.malformed", "a batch's parts do not add up to its length");
  const table = decodeTable(view, records, tableAt);
  return new Batch(view, known.read(view, headerAt), records, table);
}

// Copied once to where it is aligned: four reads a record from an array of numbers instead of from bytes.
function decodeTable(bytes: Buffer, records: number, tableAt: number): Uint32Array {
  const table = new Uint32Array(records * 4);
  const tableBytes = records * rowBytes;
  if (tableBytes > smallTableBytes) new Uint8Array(table.buffer).set(bytes.subarray(tableAt, tableAt + tableBytes));
  else for (let index = 0; index < table.length; index++) table[index] = bytes.readUInt32LE(tableAt + index * 4);
  let end = preludeBytes;
  for (let row = 3; row < table.length; row += 4) {
    end += table[row] as number;
    table[row] = end;
  }
  if (end !== tableAt) throw new CodedError("envelope.malformed", "a batch's payloads do not add up to its block");
  return table;
}

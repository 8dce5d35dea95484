// The classes that hold bytes, by name: typed arrays, Buffer, DataView, ArrayBuffer.

const typedArrays = ["Int8", "Uint8", "Uint8Clamped", "Int16", "Uint16", "Int32", "Uint32", "Float16", "Float32", "Float64"];
const buildersOfBytes = new Map<string, new (buffer: ArrayBuffer) => object>();
const kindsOfBytes = new Map<unknown, string>([
  [Buffer.prototype, "Buffer"],
  [ArrayBuffer.prototype, "ArrayBuffer"],
]);
for (const kind of [...typedArrays, "BigInt64", "BigUint64"].map((name) => `${name}Array`).concat("DataView")) {
  // Node 20 and 22 have no Float16Array.
  const builder = (globalThis as Record<string, unknown>)[kind] as (new (buffer: ArrayBuffer) => object) | undefined;
  if (builder === undefined) continue;
  buildersOfBytes.set(kind, builder);
  kindsOfBytes.set(builder.prototype, kind);
}

/** The name of the class, of an ArrayBuffer or a view; undefined for anything else. */
export function kindOfBytes(value: object): string | undefined {
  return kindsOfBytes.get(Object.getPrototypeOf(value));
}

/** @param kind as of `kindOfBytes` @returns undefined where this Node does not know the kind. */
export function bytesOfKind(kind: string, buffer: ArrayBuffer): object | undefined {
  if (kind === "ArrayBuffer") return buffer;
  if (kind === "Buffer") return Buffer.from(buffer);
  const builder = buildersOfBytes.get(kind);
  return builder && new builder(buffer);
}

/** The bytes behind an ArrayBuffer or a view, not copied. */
export function viewOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
}

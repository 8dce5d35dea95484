// What a client has sent, and a state is to hold; and what is made of a state, to be changed.

import { isDeepStrictEqual } from "node:util";

/** Whether it can: text with half of a surrogate pair is JSON, and has no UTF-8. */
export function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, each]) => key.isWellFormed() && isWellFormed(each));
}

/** No less than a state needs for it: there, a number may have nine bytes. */
export function storedBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value, (_, part) => (typeof part === "number" ? 123_456_789 : part)));
}

/**
 * Whether a draft is still what it was made of. There, Dates, Maps and Sets are of other classes; and unlike Node's own comparison, the
 * order of Maps and Sets counts: who has been there last is moved to the end.
 */
export function isAsStored(draft: unknown, stored: unknown): boolean {
  if (typeof draft !== "object" || draft === null || typeof stored !== "object" || stored === null) return Object.is(draft, stored);
  if (draft instanceof Map) return stored instanceof Map && isAsStored([...draft], [...stored]);
  if (draft instanceof Set) return stored instanceof Set && isAsStored([...draft], [...stored]);
  if (draft instanceof Date) return stored instanceof Date && draft.getTime() === stored.getTime();
  if (Object.getPrototypeOf(draft) !== Object.getPrototypeOf(stored)) return false;
  if (ArrayBuffer.isView(draft) || draft instanceof ArrayBuffer) return isDeepStrictEqual(draft, stored);
  const [parts, storedParts] = [draft as Record<string, unknown>, stored as Record<string, unknown>];
  const names = Object.keys(parts);
  if (names.length !== Object.keys(storedParts).length) return false;
  return names.every((name) => Object.hasOwn(storedParts, name) && isAsStored(parts[name], storedParts[name]));
}

/** A copy of a state, or of a part of it, that can be changed. structuredClone would make a Uint8Array of a Buffer. */
export function draftOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(draftOf);
  if (value instanceof Map) return new Map([...value].map(([key, part]) => [draftOf(key), draftOf(part)]));
  if (value instanceof Set) return new Set([...value].map(draftOf));
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (value instanceof Date || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return structuredClone(value);
  const draft: Record<string, unknown> = {};
  for (const key of Object.keys(value)) draft[key] = draftOf((value as Record<string, unknown>)[key]);
  return draft;
}

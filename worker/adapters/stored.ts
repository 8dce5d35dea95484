// What a client has sent, and a state is to hold.

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

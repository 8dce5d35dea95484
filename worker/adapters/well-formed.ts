// Text with half of a surrogate pair is JSON, and has no UTF-8: it cannot be stored, nor be told to others as it was.

/** Whether a state can hold it. */
export function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, each]) => key.isWellFormed() && isWellFormed(each));
}

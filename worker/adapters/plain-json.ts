// Strings as JSON has them, for protocols that carry little else: what is plain is written and read in half of JSON's time, or less. Pure.

/** ASCII that JSON does not escape. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** What JSON has to escape in a string, and what it does so with. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are among it.
const escaped = /[\\\x00-\x1f]/;
/** Parts of a text keep all of it in memory. */
const plainListLength = 1_000;

const quote = '"'.charCodeAt(0);
const comma = ",".charCodeAt(0);
const bracket = "]".charCodeAt(0);

/** What JSON.stringify returns. undefined: the text may need escapes. */
export function plainJson(text: string): string | undefined {
  return plain.test(text) ? `"${text}"` : undefined;
}

/**
 * What JSON.parse returns for a list of strings without escapes, and without spaces between them.
 * @param start where the list begins; it ends with the text. @returns undefined for anything else, JSON or not.
 */
export function parsePlainList(text: string, start = 0): string[] | undefined {
  if (text.length > plainListLength || text[start] !== "[" || escaped.test(text)) return undefined;
  const list: string[] = [];
  for (let at = start + 1; ; at++) {
    if (text.charCodeAt(at) !== quote) return undefined;
    const end = text.indexOf('"', at + 1);
    if (end === -1) return undefined;
    list.push(text.slice(at + 1, end));
    at = end + 1;
    const next = text.charCodeAt(at);
    if (next === bracket) return at === text.length - 1 ? list : undefined;
    if (next !== comma) return undefined;
  }
}

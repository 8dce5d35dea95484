// Text for a terminal that a client, a handler or another machine may have had a hand in: what a terminal would obey is shown as text.

/**
 * Control characters but for tab and line feed (C0, DEL, C1: ECMA-48), and those that turn the direction of text (Unicode's UAX #9), by
 * which a line could read otherwise than it is.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to find.
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * @param {string} text of any number of lines
 * @returns {string} The text with `\u001b` for an escape.
 */
export function visible(text) {
  return text.replace(obeyed, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * @param {string} text
 * @returns {string} One line: a line feed is shown, too, or a client could add lines of its own.
 */
export function visibleLine(text) {
  return visible(text).replaceAll("\n", "\\n");
}

// What a terminal's colours are in a page: text, and names of classes from a fixed set. Whatever else a line tells a terminal to do (move,
// clear, beep, rename its window) is left out. Pure.

/** @typedef {{ on: Set<string>, colour: string, background: string }} Style */

const colours = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
/** SGR: what they switch on, and by what they are switched off. */
/** @type {Record<number, string>} */
const styles = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck" };
/** @type {Record<number, string[]>} */
const ends = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["struck"] };

/**
 * Control sequences (the first with its parameters, intermediates and final byte), control strings, other escapes, other control
 * characters; also where the line ends in the middle of one.
 * Source: ECMA-48, 5.4 and 8.3.117 (SGR).
 */
const control =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about.
  /(?:\u001b\[|\u009b)([0-?]*)([ -/]*)([@-~]?)|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g;

/**
 * @param {string} line
 * @returns {{ text: string, classes: string[] }[]} Each line begins without colours.
 */
export function parseAnsi(line) {
  /** @type {{ text: string, classes: string[] }[]} */
  const pieces = [];
  /** @type {Style} */
  const style = { on: new Set(), colour: "", background: "" };
  let begin = 0;
  const take = (/** @type {number} */ end) => {
    if (end > begin) pieces.push({ text: line.slice(begin, end), classes: classesOf(style) });
  };
  for (const found of line.matchAll(control)) {
    take(found.index);
    begin = found.index + found[0].length;
    const [, parameters = "", intermediates, final] = found;
    if (final === "m" && intermediates === "" && /^[\d;]*$/.test(parameters)) applyStyle(style, parameters.split(";").map(Number));
  }
  take(line.length);
  return pieces;
}

/** @param {string} line */
export function withoutAnsi(line) {
  return line.replace(control, "");
}

/** @param {Style} style */
function classesOf({ on, colour, background }) {
  return [...on, colour, background].filter((name) => name !== "");
}

/**
 * @param {Style} style
 * @param {number[]} numbers
 */
function applyStyle(style, numbers) {
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index] ?? 0;
    if (number === 0) {
      style.on.clear();
      style.colour = style.background = "";
    } else if (Object.hasOwn(styles, number)) {
      style.on.add(styles[number] ?? "");
    } else if (Object.hasOwn(ends, number)) {
      for (const name of ends[number] ?? []) style.on.delete(name);
    } else if (number === 38 || number === 48) {
      // One of 256 (5;n), or red, green and blue (2;r;g;b): of those the first sixteen are shown, and others as usual text.
      const isOf256 = numbers[index + 1] === 5;
      const wanted = numbers[index + 2] ?? 256;
      const name = (isOf256 && wanted < 16 && colours[wanted % 8]) || "";
      if (number === 38) style.colour = name;
      else style.background = name && `on-${name}`;
      index += isOf256 ? 2 : 4;
    } else {
      applyColour(style, number);
    }
  }
}

/**
 * 30 to 37, 40 to 47, and the bright ones from 90 and 100; 39 and 49 end them.
 * @param {Style} style
 * @param {number} number
 */
function applyColour(style, number) {
  const name = colours[number % 10] ?? "";
  const tens = Math.floor(number / 10);
  if (tens === 3 || tens === 9) style.colour = name;
  if (tens === 4 || tens === 10) style.background = name && `on-${name}`;
}

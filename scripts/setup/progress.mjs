// Shows a step that takes long: one line that is redrawn on a terminal, plain lines elsewhere.

import { visible } from "./visible.mjs";

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 80;

/**
 * @typedef {object} Progress
 * @property {(text: string) => void} update Says what is being done now.
 * @property {(text: string) => void} note Says something besides, on a line of its own.
 * @property {(text?: string) => void} done Ends the line with a tick.
 * @property {(text?: string) => void} fail Ends the line with a cross.
 */

/**
 * @param {string} text What is being done: "installing packages".
 * @param {NodeJS.WriteStream} [stream]
 * @returns {Progress}
 */
export function startProgress(text, stream = process.stderr) {
  return stream.isTTY ? redrawn(text, stream) : plain(text, stream);
}

/**
 * Wraps text in an ANSI colour where the stream shows colours; NO_COLOR is honoured by Node's hasColors.
 * @param {NodeJS.WriteStream} stream
 * @param {"red" | "green" | "yellow" | "cyan" | "dim" | "bold"} colour
 * @param {string} text
 */
export function paint(stream, colour, text) {
  if (!stream.isTTY || !stream.hasColors()) return text;
  const code = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 }[colour];
  return `\x1b[${code}m${text}\x1b[0m`;
}

/** @param {number} startedAt as Date.now() says it */
export function elapsed(startedAt) {
  const seconds = (Date.now() - startedAt) / 1000;
  return seconds < 100 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}

/**
 * @param {string} text
 * @param {NodeJS.WriteStream} stream
 * @returns {Progress}
 */
function redrawn(text, stream) {
  const startedAt = Date.now();
  let frame = 0;
  const draw = (/** @type {string} */ mark, /** @type {string} */ shown) => {
    stream.write(`\r\x1b[2K${mark} ${visible(shown)} ${paint(stream, "dim", elapsed(startedAt))}`);
  };
  const spin = () => {
    // On one line, or the next one would not be drawn over it. The last one may be longer: it says why something failed.
    const room = Math.max(20, stream.columns - 14);
    draw(paint(stream, "cyan", frames[frame++ % frames.length] ?? ""), text.length > room ? `${text.slice(0, room - 1)}…` : text);
  };
  const timer = setInterval(spin, frameMs);
  // A step that throws without ending its line must not keep the process alive.
  timer.unref();
  spin();
  const end = (/** @type {string} */ mark, /** @type {string | undefined} */ last) => {
    clearInterval(timer);
    draw(mark, last ?? text);
    stream.write("\n");
  };
  return {
    update: (next) => {
      text = next;
    },
    note: (line) => {
      stream.write(`\r\x1b[2K${visible(line)}\n`);
      spin();
    },
    done: (last) => end(paint(stream, "green", "✔"), last),
    fail: (last) => end(paint(stream, "red", "✘"), last),
  };
}

/**
 * @param {string} text
 * @param {NodeJS.WriteStream} stream
 * @returns {Progress}
 */
function plain(text, stream) {
  const startedAt = Date.now();
  const say = (/** @type {string} */ line) => {
    text = line;
    stream.write(`${visible(line)}\n`);
  };
  say(`${text} …`);
  return {
    update: (next) => {
      if (next !== text) say(next);
    },
    note: (line) => stream.write(`${visible(line)}\n`),
    done: (last) => say(`${last ?? text.replace(/ …$/, ": done")} (${elapsed(startedAt)})`),
    fail: (last) => say(`${last ?? text.replace(/ …$/, ": failed")} (${elapsed(startedAt)})`),
  };
}

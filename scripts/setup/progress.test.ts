import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { startProgress } from "./progress.mjs";

/** @returns what a step writes; on a terminal, without what only moves the cursor and colours. */
function written(isTTY: boolean, use: (progress: ReturnType<typeof startProgress>) => void): string[] {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80, hasColors: () => false }) as unknown as NodeJS.WriteStream;
  use(startProgress("watching", stream));
  const text = String((stream as unknown as PassThrough).read());
  return text
    .split("\n")
    .map((line) => (line.split("\x1b[2K").at(-1) ?? "").replace(/\(?\d\.\d s\)?/, "").trim())
    .filter((line) => line !== "");
}

test.each([
  [false, ["watching …", "Ctrl-C ends it", "watching: done"]],
  [true, ["Ctrl-C ends it", "✔ watching"]],
])("what is said besides does not end the step (on a terminal: %j)", (isTTY, lines) => {
  const said = written(isTTY, (progress) => {
    progress.note("Ctrl-C ends it");
    progress.done();
  });
  expect(said).toEqual(lines);
});

test.each([true, false])("what a step says commands no terminal (on a terminal: %j)", (isTTY) => {
  const said = written(isTTY, (progress) => {
    progress.note("of a client: \x1b[2J");
    progress.fail("failed: \x07");
  });
  expect(said.filter((line) => line.includes("\\u"))).toEqual(["of a client: \\u001b[2J", expect.stringMatching(/^(✘ )?failed: \\u0007$/)]);
});

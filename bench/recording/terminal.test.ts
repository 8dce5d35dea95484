import { expect, test } from "vitest";
import { Terminal } from "./terminal.ts";

test("a step that is redrawn is one row, and a spinner or tenths of a second make no new version of it", () => {
  const terminal = new Terminal();
  terminal.write("\r\x1b[2K\x1b[36m⠋\x1b[0m types 0.1 s", 1);
  terminal.write("\r\x1b[2K\x1b[36m⠙\x1b[0m types 0.2 s", 2);
  terminal.write("\r\x1b[2K\x1b[32m✔\x1b[0m types 0.3 s\n", 3);
  const [row, ...others] = terminal.wrapped(80);
  expect(others).toEqual([]);
  expect(row?.map(({ atMs, spans }) => [atMs, spans.map(({ text }) => text).join("")])).toEqual([
    [1, "⠋ types 0.1 s"],
    [3, "✔ types 0.3 s"],
  ]);
  expect(row?.at(-1)?.spans[0]).toEqual({ text: "✔", colour: "green" });
});

const textsOf = (terminal: Terminal, columns: number) =>
  terminal.wrapped(columns).map((versions) => (versions.at(-1)?.spans ?? []).map(({ text }) => text).join(""));

test("a long row is cut between words, and a step goes on under its text", () => {
  const terminal = new Terminal();
  terminal.write("\x1b[32m✔\x1b[0m watching for 5 s\r\nserves (before: release 7)\r\n", 5);
  expect(textsOf(terminal, 12)).toEqual(["✔ watching", "  for 5 s", "serves", "(before:", "release 7)"]);
});

test("a word that is longer than a row is cut, and keeps its colours", () => {
  const terminal = new Terminal();
  terminal.write("\x1b[1mabcd\x1b[0mef\r\ng\r\n", 5);
  expect(terminal.wrapped(3).map(([version]) => version?.spans)).toEqual([
    [{ text: "abc", colour: "bold" }],
    [
      { text: "d", colour: "bold" },
      { text: "ef", colour: undefined },
    ],
    [{ text: "g", colour: undefined }],
  ]);
});

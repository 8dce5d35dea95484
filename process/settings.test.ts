import * as v from "valibot";
import { expect, test } from "vitest";
import { isCodedError } from "../protocol/errors.ts";
import { integer, logLevel, namespace, parseSettings, text } from "./settings.ts";

const schema = v.object({
  NATS_URL: text,
  NAMESPACE: namespace,
  PORT: integer({ least: 0, most: 65_535, otherwise: 8080 }),
  PARK_MS: integer({ least: 1, most: 1_000, otherwise: 500 }),
});

test("what is not set, or set to nothing, is what holds otherwise", () => {
  const expected = { NATS_URL: "nats://x", NAMESPACE: "thinstate", PORT: 8080, PARK_MS: 500 };
  expect(parseSettings(schema, { NATS_URL: "nats://x" })).toEqual(expected);
  expect(parseSettings(schema, { NATS_URL: "nats://x", PORT: "", NAMESPACE: "", PARK_MS: undefined, HOME: "/root" })).toEqual(expected);
});

test("what is set is parsed, the ends of a range included", () => {
  const given = { NATS_URL: "  nats://x ", NAMESPACE: "a.b", PORT: "0", PARK_MS: "1000" };
  expect(parseSettings(schema, given)).toEqual({ NATS_URL: "nats://x", NAMESPACE: "a.b", PORT: 0, PARK_MS: 1_000 });
});

test("settings cannot be changed", () => {
  const settings = parseSettings(schema, { NATS_URL: "nats://x" }) as { PORT: number };
  expect(() => {
    settings.PORT = 1;
  }).toThrow(TypeError);
});

test("all mistakes are reported together, each with its variable, its value and what it may be", () => {
  try {
    parseSettings(schema, { NAMESPACE: "a.>", PORT: "65536", PARK_MS: "-1" });
    expect.unreachable();
  } catch (error) {
    expect(isCodedError(error, "config.invalid")).toBe(true);
    expect((error as Error).message.split("; ")).toEqual([
      "config.invalid: NATS_URL is missing",
      "NAMESPACE=a.> is not letters, digits, - and _, in parts joined by dots",
      "PORT=65536 is not a whole number from 0 to 65535",
      "PARK_MS=-1 is not a whole number from 1 to 1000",
    ]);
  }
});

test.each([
  ["18081\r", '"18081\\r"'],
  [" 1", '" 1"'],
  ["1\u00a0", '"1\\u00a0"'],
  ["\u200b1", '"\\u200b1"'],
  ["\uFEFF1", '"\\ufeff1"'],
  ["1\n2", '"1\\n2"'],
])("what nobody sees in a value is shown: %j", (value, text) => {
  expect(() => parseSettings(schema, { NATS_URL: "x", PARK_MS: value })).toThrow(`PARK_MS=${text} is not a whole number from 1 to 1000`);
});

test.each(["1.5", "1e3", "0x10", "١", "Infinity", "12 apples"])("%j is no whole number", (value) => {
  expect(() => parseSettings(schema, { NATS_URL: "x", PARK_MS: value })).toThrow(`PARK_MS=${value} is not a whole number from 1 to 1000`);
});

test("a log level that there is not is told which there are", () => {
  const levels = v.object({ LOG_LEVEL: logLevel });
  expect(parseSettings(levels, {})).toEqual({ LOG_LEVEL: "info" });
  const mistake = "config.invalid: LOG_LEVEL=verbose is not one of trace, debug, info, warn, error, fatal, silent";
  expect(() => parseSettings(levels, { LOG_LEVEL: "verbose" })).toThrow(mistake);
});

test("a text of blanks is none", () => {
  expect(() => parseSettings(schema, { NATS_URL: "   " })).toThrow('NATS_URL="   " is not a text that is not empty');
});

import { expect, test } from "vitest";
import { openFilesWarning, parseOpenFiles } from "./open-files.ts";

const limits = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 524288               files
`;

test("the soft limit is what counts", () => {
  expect(parseOpenFiles(limits)).toBe(1024);
  expect(parseOpenFiles(limits.replace("1024", "unlimited"))).toBe(Number.POSITIVE_INFINITY);
  expect(parseOpenFiles("")).toBeUndefined();
});

test("a limit below what the gateway is meant for is named, with what to do", () => {
  expect(openFilesWarning(10_000, 1024)).toContain("CONNECTIONS=10000");
  expect(openFilesWarning(10_000, 1024)).toContain("LimitNOFILE=");
  expect(openFilesWarning(896, 1024)).toBeUndefined();
  expect(openFilesWarning(897, 1024)).toBeDefined();
});

test.runIf(process.platform === "linux")("this process' own limit is found", () => {
  expect(openFilesWarning(1)).toBeUndefined();
  expect(openFilesWarning(10_000_000_000)).toBeDefined();
});

import { expect, test } from "vitest";
import { unitSettings, wordsOf } from "./unit-settings.ts";

/** As lines. */
function read(text: string): string[] {
  return unitSettings(`[Service]\n${text}`, "Service").map(({ name, value }) => `${name}=${value}`);
}

test.each<[string, string, string[]]>([
  ["blanks around = and at both ends", "  User =  y  \n\tGroup\t=g", ["User=y", "Group=g"]],
  ["comments, also indented ones", "# User=a\n; User=b\n  # User=c\nUser=d # e", ["User=d # e"]],
  ["a line that goes on, over a comment", "ReadWritePaths=/a \\\n# /b\n  /c", ["ReadWritePaths=/a  /c"]],
  ["a backslash that is one", "Environment=A=\\\\\nUser=x", ["Environment=A=\\\\", "User=x"]],
  ["a = in the value", "Environment=A=1 B=2", ["Environment=A=1 B=2"]],
  ["several values", "DeviceAllow=/dev/null rw\nDeviceAllow=/dev/zero r", ["DeviceAllow=/dev/null rw", "DeviceAllow=/dev/zero r"]],
  ["a reset", "DeviceAllow=/dev/null rw\nUser=x\nDeviceAllow =\nDeviceAllow=/dev/zero r", ["User=x", "DeviceAllow=/dev/zero r"]],
  ["what an empty value sets to none", "CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=", ["CapabilityBoundingSet="]],
  ["another section, and this one again", "User=x\n[Install]\nUser=y\n[Service]\nGroup=g", ["User=x", "Group=g"]],
  ["a line that is none", "User", []],
])("%s", (_, text, settings) => {
  expect(read(text)).toEqual(settings);
});

test("words keep their quotes", () => {
  expect(wordsOf(`A=1  "B=2 3" 'C="' D="4 \\" 5"`)).toEqual(["A=1", '"B=2 3"', "'C=\"'", 'D="4 \\" 5"']);
});

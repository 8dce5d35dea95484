import { expect, test } from "vitest";
import { settingNames } from "./every-setting.ts";
import { unknownSettings } from "./unknown-settings.ts";

test("every setting is known", () => {
  const inFiles = settingNames().filter((name) => name !== "SETTINGS_FILE");
  expect(inFiles).toContain("MESSAGE_BYTES");
  expect(unknownSettings(inFiles)).toBeUndefined();
  expect(unknownSettings([])).toBeUndefined();
});

test.each([
  ["PROT", "PROT (PORT?)"],
  ["MESAGE_BYTES", "MESAGE_BYTES (MESSAGE_BYTES?)"],
  ["MESSAGES_BYTE", "MESSAGES_BYTE (MESSAGE_BYTES?)"],
  ["Log_Level", "Log_Level (LOG_LEVEL?)"],
  ["TRUSTED_PROXY", "TRUSTED_PROXY (TRUSTED_PROXIES?)"],
  ["\uFFFDPORT", "\uFFFDPORT (PORT?)"],
  ["DATABASE_URL", "DATABASE_URL"],
  ["X", "X"],
  ["THINSTATE_DIR", "THINSTATE_DIR (only in the environment)"],
])("%s is named, with the setting that it may be meant to be", (name, text) => {
  expect(unknownSettings(["PORT", name])).toBe(`unknown settings: ${text}`);
});

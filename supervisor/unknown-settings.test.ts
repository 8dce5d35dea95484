import { expect, test } from "vitest";
import { settingNames } from "./every-setting.ts";
import { misspeltSettings, unknownSettings } from "./unknown-settings.ts";

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

test.each([
  [{ WORKER: "3", PROT: "1" }, "unknown settings: WORKER (WORKERS?), PROT (PORT?)"],
  [{ port: "1" }, "unknown settings: port (PORT?)"],
  // Whoever has the setting as well means something else by it.
  [{ PORTS: "80,443", PORT: "80" }, undefined],
  [{ APP_PORT: "1", APP_HOST: "a", APP_PATH: "/" }, undefined],
  [{ HOST: "::1", HOSTS: "a.example", WORKERS: "2" }, undefined],
  [{ WORK: "3", HOME: "/root", PATH: "/bin", HOSTNAME: "a", USER: "b", THINSTATE_DIR: "/", SETTINGS_FILE: "x" }, undefined],
])("in the environment, %j: %s", (environment, text) => {
  expect(misspeltSettings(environment)).toBe(text);
});

test("what a settings file has is there", () => {
  expect(misspeltSettings({ WORKER: "3" }, { WORKER: "3", WORKERS: "2" })).toBeUndefined();
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSettings, withSettings } from "./environment-file.ts";

const template = `# Settings.
#PORT=8080
HOST=127.0.0.1
# PORT and HOST are explained elsewhere.
`;

test("a setting takes the place of its line, of one in a comment too; what is new comes last; the rest stays", () => {
  const text = withSettings(template, { PORT: "80", HOST: "0.0.0.0", NAMESPACE: "a.b" });
  expect(text).toBe(`# Settings.
PORT=80
HOST=0.0.0.0
# PORT and HOST are explained elsewhere.
NAMESPACE=a.b
`);
  expect(withSettings(text, { PORT: "80" })).toBe(text);
});

test("a value is read as it was written", () => {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-settings-"));
  const file = join(folder, "thinstate.env");
  const settings = { NATS_URL: "tls://a:4222,tls://b:4222", LOG_LEVEL: '$& #1 "x"' };
  writeFileSync(file, withSettings(template, settings));
  expect(readSettings(file)).toEqual({ HOST: "127.0.0.1", ...settings });
  rmSync(folder, { recursive: true });
});

test("a byte order mark is none of the first name, and goes with the next change", () => {
  expect(withSettings("\uFEFFPORT=80\n", { PORT: "81" })).toBe("PORT=81\n");
});

test("what no line can hold is refused", () => {
  expect(() => withSettings("", { HOST: "it's" })).toThrow("it's");
});

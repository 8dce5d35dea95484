// `.env` in the clone: handlers find it in their environment, in the trial of a release as in workers.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { Installation } from "./installation.ts";

let installation: Installation;

afterAll(() => installation?.end());

test("handlers are given what .env has and the environment has not; settings and releases know nothing of it", async () => {
  installation = await Installation.cloned({ WORKERS: "1", TAKEN: "environment" });
  installation.write(".env", 'WORD="from .env"\nTAKEN=file\nPARK_MS=7\n');
  installation.write(
    "worker/handlers/word.ts",
    `import { defineHandler } from "../handler.ts";

const { WORD, TAKEN, RELEASE } = process.env;
if (WORD === undefined) throw new Error("no WORD");

export default defineHandler({ path: "/word", onOpen: (conn) => conn.send({ WORD, TAKEN, RELEASE }) });
`,
  );
  const start = installation.start();
  const url = (await start.line(/^ready ws:/)).replace("ready ", "");
  const client = await TestClient.open(`${url}/word`);
  await client.receives(1);
  const { release, workers } = await installation.status();
  expect(JSON.parse(String(client.received[0]))).toEqual({ WORD: "from .env", TAKEN: "environment", RELEASE: release?.id });
  expect(workers).toHaveLength(1);
  expect(start.output).toMatch(/\.env is for handlers only\. .*: PARK_MS"/);
  expect(existsSync(join(installation.cacheFolder, "releases", release?.id ?? "", ".env"))).toBe(false);
});

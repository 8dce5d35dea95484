// npx tsx test/suites/sockjs.ts DIRECTORY [TEST...]: sockjs-protocol's own tests against the SockJS adapter, on a running system. They are
// fetched by hand (git clone https://github.com/sockjs/sockjs-protocol), and need python3, without packages.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { TestSystem } from "../system.ts";

const [directory, ...tests] = process.argv.slice(2);
if (directory === undefined) {
  process.stderr.write("npx tsx test/suites/sockjs.ts DIRECTORY [TEST...]: a clone of https://github.com/sockjs/sockjs-protocol\n");
  process.exit(2);
}
const system = await TestSystem.start({ handlers: "sockjs" });
try {
  const run = [join(import.meta.dirname, "sockjs", "run.py"), directory, ...tests];
  const env = { ...process.env, SOCKJS_URL: `http://127.0.0.1:${system.port}`, PYTHONDONTWRITEBYTECODE: "1" };
  const [code] = await once(spawn("python3", run, { env, stdio: "inherit" }), "exit");
  process.exitCode = code ?? 1;
} finally {
  await system.stop();
}

// Runs a public test suite, of Engine.IO's protocol or of Socket.IO's, against the adapter or any other server:
//
//   git clone https://github.com/socketio/socket.io && git -C socket.io checkout d2d753fed4435015c2d83fe62e676b44e07fa3f7
//   npm ci --prefix socket.io/docs/socket.io-protocol/v5-test-suite
//   npx tsx test/suites/socket-io.ts socket.io/docs/socket.io-protocol/v5-test-suite [http://127.0.0.1:3000]
//
// The same with docs/engine.io-protocol/v4-test-suite. The suites are fetched by hand, and no part of thinstate.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startNats } from "../nats.ts";
import { TestSystem } from "../system.ts";

const [folder, given] = process.argv.slice(2);
if (folder === undefined)
  throw new Error("usage: npx tsx test/suites/socket-io.ts DIR [URL], where DIR has test-suite.js and its node_modules");

// The suites want to be told that they may send a message of 1,000,000 bytes.
const settings = mkdtempSync(join(tmpdir(), "thinstate-suite-"));
const natsFile = join(settings, "nats.conf");
writeFileSync(natsFile, "max_payload: 2000000\n");
const system = given === undefined ? await startSystem() : undefined;
const url = given ?? system?.url.replace("ws:", "http:");

// The suites have the address of the server in them.
const text = readFileSync(join(folder, "test-suite.js"), "utf8").replace("http://localhost:3000", `${url}`);
const copy = resolve(folder, `test-suite-${process.pid}.js`);
writeFileSync(copy, text);
const mocha = spawn(process.execPath, [resolve(folder, "node_modules/mocha/bin/_mocha"), "--exit", copy], {
  cwd: folder,
  stdio: "inherit",
});
process.exitCode = await new Promise<number>((done) => mocha.once("exit", (code) => done(code ?? 1)));
rmSync(copy);
await system?.stop();
rmSync(settings, { recursive: true });

async function startSystem(): Promise<TestSystem> {
  const nats = await startNats(0, ["-c", natsFile]);
  return TestSystem.start({ handlers: "socket-io", environment: { MESSAGE_BYTES: "1000000" }, nats });
}

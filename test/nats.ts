// A real nats-server for a test: on a free port, its files in a folder of its own, ended with the test.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "../scripts/nats/binary.ts";

export interface TestNats {
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

/** @param port 0: any. A server that is to come back where another one was gets that one's. */
export async function startNats(port = 0): Promise<TestNats> {
  // Where a clean machine's set-up has fetched it to.
  const executable = await findNatsServer(join(import.meta.dirname, "..", ".thinstate", "nats"), process.env.PATH ?? "");
  const folder = mkdtempSync(join(tmpdir(), "thinstate-nats-"));
  const args = ["-a", "127.0.0.1", "-p", String(port === 0 ? -1 : port), "--ports_file_dir", folder];
  const child = spawn(executable, args, { stdio: ["ignore", "ignore", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.removeListener("exit", kill));
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`nats-server ended:\n${log}`)));
    // It writes the file of its ports once it listens, with a name that has its pid.
    const look = () => {
      const [file] = readdirSync(folder).filter((name) => name.endsWith(".ports"));
      const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8");
      if (!text.endsWith("}")) return;
      watcher.close();
      resolve((JSON.parse(text) as { nats: string[] }).nats[0] ?? "");
    };
    const watcher = watch(folder, look);
    // On a busy machine it may have been written before we watched.
    look();
  });
  return {
    url,
    process: child,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill();
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

// A process whose output goes to systemd's journal begins each line with its priority. The journal is a pipe here: what matters is
// that JOURNAL_STREAM names it, as systemd has it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startNats } from "./nats.ts";

class Said {
  readonly child: ChildProcess;
  text = "";

  /** @param stream what JOURNAL_STREAM names: the process' own output, or something else. */
  constructor(args: readonly string[], stream: "own" | "other", environment: NodeJS.ProcessEnv) {
    const named = stream === "own" ? "$(stat -L -c %d:%i /proc/$$/fd/1)" : "1:1";
    // Not a group of its own: `exec` makes this process the program.
    this.child = spawn("/bin/sh", ["-c", `export JOURNAL_STREAM=${named}; exec "$0" "$@" 2>&1`, process.execPath, ...args], {
      cwd: join(import.meta.dirname, ".."),
      env: { PATH: process.env.PATH, ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.text += chunk.toString();
    });
  }

  get lines(): string[] {
    return this.text.split("\n").filter((line) => line !== "");
  }

  async has(words: string): Promise<void> {
    while (!this.text.includes(words)) await once(this.child.stdout as NonNullable<ChildProcess["stdout"]>, "data");
  }

  async end(): Promise<void> {
    const closed = once(this.child, "close");
    this.child.kill("SIGTERM");
    await closed;
  }
}

describe.runIf(process.platform === "linux")("in the journal", () => {
  test("a gateway's lines have the priority of their level", async () => {
    const nats = await startNats();
    const gateway = new Said(["--import", "./process/typescript.mjs", "gateway/main.ts"], "own", {
      NATS_URL: nats.url,
      PORT: "0",
      ADMIN_PORT: "0",
    });
    await gateway.has("gateway listens");
    nats.process.kill("SIGKILL");
    await gateway.has("NATS is gone");
    await gateway.end();
    await nats.stop();
    const priorities = { info: 6, warn: 4 };
    expect(gateway.lines.find((line) => line.includes("gateway listens"))).toMatch(new RegExp(`^<${priorities.info}>{"level":30,`));
    expect(gateway.lines.find((line) => line.includes("NATS is gone"))).toMatch(new RegExp(`^<${priorities.warn}>{"level":40,`));
    expect(gateway.lines.filter((line) => !/^<[0-7]>{/.test(line))).toEqual([]);
  });

  test.each(["gateway", "worker"])("a %s that cannot start says so with the priority of what is critical", async (name) => {
    const args = ["--import", "./process/typescript.mjs", `${name}/main.ts`];
    const said = new Said(args, "own", {});
    await once(said.child, "close");
    expect(said.lines).toEqual([`<2>${name}: config.invalid: NATS_URL is missing`]);
    const elsewhere = new Said(args, "other", {});
    await once(elsewhere.child, "close");
    expect(elsewhere.lines).toEqual([`${name}: config.invalid: NATS_URL is missing`]);
  });
});

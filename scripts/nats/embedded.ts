// The nats-server of an installation that was given no NATS_URL: on the loopback interface, on one port for as long as the
// supervisor lives, started again when it dies.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { Child, ChildSpec } from "../supervisor/child.ts";
import { Keeper } from "../supervisor/keeper.ts";
import { freePort } from "../supervisor/port.ts";
import { type NatsFiles, natsConfiguration, natsFiles } from "./configuration.ts";

const answerTimeoutMs = 5_000;
const attempts = 3;

export interface EmbeddedNatsOptions {
  readonly executable: string;
  readonly folder: string;
  readonly spawn: (spec: ChildSpec) => Child;
  readonly onEnd: (child: Child, text: string) => void;
}

/**
 * nats-server keeps little, so Go's collector runs after every few batches: messages of 16 KiB cost 75 µs of it each by
 * default, 39 µs so (a quarter less for small ones). The limit holds where much waits for a client that does not read.
 * And half of the cores: it looks for work on each that it has, which others are to do there. On two cores 4 % more echoes, of
 * 64 bytes and of 16 KiB, and 8 µs less for each. The service's unit has the same.
 */
const goSettings = { GOGC: "800", GOMEMLIMIT: "1GiB", GOMAXPROCS: String(Math.ceil(availableParallelism() / 2)) };

export class EmbeddedNats {
  readonly url: string;
  private readonly keeper: Keeper;

  private constructor(url: string, keeper: Keeper) {
    this.url = url;
    this.keeper = keeper;
  }

  get pid(): number | undefined {
    return this.keeper.child?.pid;
  }

  /** Resolves when it answers. @throws where it does not, with the end of its log. */
  static async start(options: EmbeddedNatsOptions): Promise<EmbeddedNats> {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const files = natsFiles(options.folder);
    for (let attempt = 1; ; attempt++) {
      const port = await freePort("127.0.0.1");
      writeFileSync(files.config, natsConfiguration(port, files));
      const keeper = new Keeper({
        start: () =>
          options.spawn({
            name: "nats-server",
            command: options.executable,
            args: ["-c", files.config],
            cwd: options.folder,
            env: { ...goSettings, ...process.env },
          }),
        // Small and quick: trying again costs nothing, and nobody hears anybody meanwhile.
        isProven: () => true,
        onEnd: options.onEnd,
      });
      if (await answers(port)) return new EmbeddedNats(`nats://127.0.0.1:${port}`, keeper);
      await keeper.kill();
      // Somebody may have taken the port since it was found free.
      if (attempt === attempts) throw new Error(`nats-server does not answer. The end of its log (${files.log}):\n${logTail(files)}`);
    }
  }

  stop(timeoutMs: number): Promise<void> {
    return this.keeper.stop(timeoutMs);
  }
}

async function answers(port: number): Promise<boolean> {
  for (const until = Date.now() + answerTimeoutMs; Date.now() < until; await pause(5)) {
    if (await greets(port)) return true;
  }
  return false;
}

/** A nats-server speaks first. Source: NATS client protocol, "INFO". */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once("data", (bytes) => end(bytes.toString("latin1").startsWith("INFO ")));
    socket.once("error", () => end(false));
    socket.once("end", () => end(false));
  });
}

function logTail(files: NatsFiles): string {
  try {
    return readFileSync(files.log, "utf8").trim().split("\n").slice(-5).join("\n");
  } catch {
    return "(it wrote none)";
  }
}

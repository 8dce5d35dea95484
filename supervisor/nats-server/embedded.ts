// The nats-server of an installation that was given no NATS_URL: on the loopback interface, with a user for each role, on NATS_PORT
// or the next port that is free, started again when it dies.

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Role } from "../../nats/permissions.ts";
import type { Child, ChildSpec } from "../child.ts";
import { checkPort, freePort } from "../port.ts";
import { Restarter } from "../restarter.ts";
import { credentialsFile, ensureKeys } from "./access.ts";
import { configuredPort, type NatsFiles, natsConfiguration, natsFiles, natsHost } from "./configuration.ts";

const answerTimeoutMs = 5_000;
const attempts = 3;
const lastPort = 65_535;

export interface EmbeddedNatsOptions {
  readonly executable: string;
  /** For its files and for what its users show. */
  readonly folder: string;
  readonly namespace: string;
  /** What it has to let through: see protocol/payload-limits.ts. */
  readonly payloadBytes: number;
  /** How often its clients are pinged: it throws out the one that leaves two pings unanswered. undefined: as usual. */
  readonly pingSeconds?: number | undefined;
  /** Where it listens, or, where that is taken, on the next free one; 0: where it did before, else on any free one. */
  readonly port: number;
  /** How long the server of a supervisor that was killed may take to leave the port. */
  readonly portPatienceMs: number;
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
  private readonly folder: string;
  private readonly restarter: Restarter;

  private constructor(url: string, folder: string, restarter: Restarter) {
    this.url = url;
    this.folder = folder;
    this.restarter = restarter;
  }

  get pid(): number | undefined {
    return this.restarter.child?.pid;
  }

  /**
   * Resolves when it answers.
   * @throws {CodedError} "config.invalid" where a key cannot be read; where it does not answer, with the end of its log.
   */
  static async start(options: EmbeddedNatsOptions): Promise<EmbeddedNats> {
    const { folder, namespace, payloadBytes, pingSeconds } = options;
    const users = { namespace, keys: ensureKeys(folder), folder };
    const files = natsFiles(folder);
    // Other programs are told once where it is.
    let port = await choosePort(options.port, configuredPort(files.config), options.portPatienceMs);
    for (let attempt = 1; ; attempt++) {
      const serverName = `thinstate-${randomBytes(8).toString("hex")}`;
      const written = "at each start of thinstate";
      const storeDir = join(folder, "jetstream");
      writeFileSync(files.config, natsConfiguration({ port, written, users, payloadBytes, serverName, pingSeconds, files, storeDir }));
      const restarter = new Restarter({
        start: () =>
          options.spawn({
            name: "nats-server",
            command: options.executable,
            args: ["-c", files.config],
            cwd: folder,
            env: { ...goSettings, ...process.env },
          }),
        // Small and quick: trying again costs nothing, and nobody hears anybody meanwhile.
        isProven: () => true,
        onEnd: options.onEnd,
      });
      if (await answers(port, serverName)) return new EmbeddedNats(`nats://${natsHost}:${port}`, folder, restarter);
      await restarter.kill();
      // Somebody may have taken the port since it was found free, and may keep it.
      if (attempt === attempts) throw new Error(`nats-server does not answer. The end of its log (${files.log}):\n${logTail(files)}`);
      port = await choosePort(options.port === 0 ? 0 : port + 1, undefined, 0);
    }
  }

  /** What a process of this role shows to it. */
  credentialsFile(role: Role): string {
    return credentialsFile(this.folder, role);
  }

  stop(timeoutMs: number): Promise<void> {
    return this.restarter.stop(timeoutMs);
  }
}

/** @param before The one that it had; @param patienceMs how long it may take to be free again. */
async function choosePort(wanted: number, before: number | undefined, patienceMs: number): Promise<number> {
  if (wanted === 0) return before !== undefined && (await isFree(before, patienceMs)) ? before : freePort(natsHost);
  for (let port = wanted; port <= lastPort; port++) if (await isFree(port, port === before ? patienceMs : 0)) return port;
  return freePort(natsHost);
}

async function isFree(port: number, patienceMs: number): Promise<boolean> {
  for (const deadline = Date.now() + patienceMs; ; await pause(50)) {
    try {
      await checkPort(port, natsHost);
      return true;
    } catch {
      if (Date.now() >= deadline) return false;
    }
  }
}

async function answers(port: number, serverName: string): Promise<boolean> {
  for (const until = Date.now() + answerTimeoutMs; Date.now() < until; await pause(5)) {
    if (await greets(port, serverName)) return true;
  }
  return false;
}

/** A nats-server speaks first, and says its name: another one may have taken the port. Source: NATS client protocol, "INFO". */
function greets(port: number, serverName: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, natsHost);
    const end = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(1_000, () => end(false));
    let said = "";
    socket.on("data", (bytes) => {
      said += bytes.toString("latin1");
      if (said.includes("\n")) end(said.startsWith("INFO ") && said.includes(JSON.stringify(serverName)));
    });
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

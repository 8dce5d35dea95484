// A real nats-server for a test: on a free port, its files in a folder of its own, ended with the test.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "../supervisor/nats-server/binary.ts";
import { freePorts } from "../supervisor/port.ts";
import { endsWithUs } from "../testbed/ends-with-us.ts";

export interface TestNats {
  readonly url: string;
  readonly process: ChildProcess;
  /** With which it was started: see startNats. */
  readonly more: readonly string[];
  stop(): Promise<void>;
}

/**
 * @param port 0: any. A server that is to come back where another one was gets that one's.
 * @param more arguments of the command line.
 */
export async function startNats(port = 0, more: readonly string[] = []): Promise<TestNats> {
  // Where a clean machine's set-up has fetched it to.
  const executable = await findNatsServer({ folder: join(import.meta.dirname, "..", ".thinstate", "nats"), environment: process.env });
  const folder = mkdtempSync(join(tmpdir(), "thinstate-nats-"));
  const args = ["-a", "127.0.0.1", "-p", String(port === 0 ? -1 : port), "--ports_file_dir", folder, ...more];
  const child = spawn(executable, args, { stdio: ["ignore", "ignore", "pipe"] });
  endsWithUs(child, "SIGKILL");
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
      const { nats } = JSON.parse(text) as { nats?: string[] };
      // A cluster's server writes the file as soon as it listens for the others, and again for us.
      if (nats?.[0] === undefined) return;
      watcher.close();
      resolve(nats[0]);
    };
    const watcher = watch(folder, look);
    // On a busy machine it may have been written before we watched.
    look();
  });
  return {
    url,
    process: child,
    more,
    stop: async () => {
      child.kill("SIGCONT");
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill();
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** For a server that is to come back where it was: one that the system gives to nobody meanwhile. */
export async function keptPort(): Promise<number> {
  const [port] = await freePorts(1, "127.0.0.1");
  return port as number;
}

/** Three servers that know each other. A node can be killed, and started again where it was. */
export class TestCluster {
  readonly nodes: TestNats[] = [];
  private readonly ports: readonly number[];

  private constructor(ports: readonly number[]) {
    this.ports = ports;
  }

  static async start(): Promise<TestCluster> {
    const cluster = new TestCluster(await freePorts(6, "127.0.0.1"));
    for (let index = 0; index < 3; index++) cluster.nodes.push(await cluster.startNode(index));
    return cluster;
  }

  /** All three, for a client. */
  get url(): string {
    return this.nodes.map(({ url }) => url).join(",");
  }

  async kill(index: number): Promise<void> {
    this.nodes[index]?.process.kill("SIGKILL");
    await this.nodes[index]?.stop();
  }

  async restore(index: number): Promise<void> {
    this.nodes[index] = await this.startNode(index);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  private startNode(index: number): Promise<TestNats> {
    const routes = this.ports.slice(3).map((port) => `nats://127.0.0.1:${port}`);
    const own = routes[index] as string;
    const others = routes.filter((route) => route !== own).join(",");
    return startNats(this.ports[index] as number, ["--cluster_name", "test", "--cluster", own, "--routes", others]);
  }
}

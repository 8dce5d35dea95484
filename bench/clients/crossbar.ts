// Crossbar.io, the WAMP router from PyPI, with one router worker: what bench/client-handlers/wamp.ts is compared with.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../supervisor/port.ts";
import { endsWithUs } from "../../testbed/ends-with-us.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { pidsOfGroup } from "../../testbed/usage.ts";
import type { Listening } from "./side.ts";

const host = "127.0.0.1";
const lookMs = 50;
const keptBytes = 4_000;

/** @param program Its path, or its name where PATH leads to it. @throws where it cannot be started. */
export async function startCrossbar(program: string): Promise<Listening> {
  const port = await freePort(host);
  const folder = mkdtempSync(join(tmpdir(), "crossbar-"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(configuration(port)));
  const args = ["start", "--cbdir", folder, "--config", "config.json", "--loglevel", "warn"];
  // A group of its own: Ctrl-C is ours.
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  endsWithUs(child, "SIGTERM");
  const node = new Node(child, folder);
  try {
    await node.listens(port);
  } catch (error) {
    await node.end();
    throw error;
  }
  return { host, port, pids: node.pids, end: () => node.end() };
}

class Node {
  private readonly child: ChildProcess;
  private readonly folder: string;
  private readonly exited: Promise<unknown>;
  private ending: string | undefined;
  private output = "";

  constructor(child: ChildProcess, folder: string) {
    this.child = child;
    this.folder = folder;
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-keptBytes);
      });
    this.exited = new Promise<void>((resolve) => {
      child.once("error", (error) => {
        this.ending = `crossbar cannot be started: ${error.message}; "pip install crossbar" installs it, --crossbar tells where it is`;
        resolve();
      });
      child.once("close", () => {
        this.ending ??= `crossbar has ended:\n${this.output}`;
        resolve();
      });
    });
  }

  /** The node's and its router's. */
  get pids(): number[] {
    return pidsOfGroup(this.child.pid ?? 0);
  }

  async listens(port: number): Promise<void> {
    for (const deadline = Date.now() + patienceMs; !(await isListening(port)); await pause(lookMs)) {
      if (this.ending !== undefined) throw new Error(this.ending);
      if (Date.now() > deadline) throw new Error(`crossbar does not listen:\n${this.output}`);
    }
  }

  async end(): Promise<void> {
    if (this.ending === undefined) this.child.kill("SIGTERM");
    const killing = setTimeout(() => this.child.kill("SIGKILL"), patienceMs);
    await this.exited;
    clearTimeout(killing);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Everybody may do everything in the one realm, as with our handler. */
function configuration(port: number): object {
  const everything = { call: true, register: true, publish: true, subscribe: true };
  const permissions = [{ uri: "", match: "prefix", allow: everything, cache: true }];
  const transport = {
    type: "websocket",
    endpoint: { type: "tcp", interface: host, port },
    url: `ws://${host}:${port}/ws`,
    serializers: ["json"],
  };
  const realm = { name: "realm1", roles: [{ name: "anonymous", permissions }] };
  return { version: 2, workers: [{ type: "router", realms: [realm], transports: [transport] }] };
}

// A running proxy for a test.

import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect, type LookupFunction } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts } from "../../supervisor/port.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { writeCertificate } from "../certificate.ts";
import { type ClientOptions, TestClient } from "../client.ts";
import { TestProcess } from "../system.ts";
import type { Kind } from "./kinds.ts";

export interface ProxyOptions {
  readonly kind: Kind;
  /** For what all of them write. */
  readonly folder: string;
  readonly gateway: number;
  readonly site: number;
  readonly idleSeconds: number;
}

/** Clients have another address than proxies, so that they can be told apart. */
export const clientAddress = "127.0.0.2";

/** Whatever the name. */
const toLoopback: LookupFunction = (_host, { all }, done) => {
  const [address, family] = ["127.0.0.1", 4];
  if (all) done(null, [{ address, family }]);
  else done(null, address, family);
};

export class RunningProxy {
  readonly kind: Kind;
  readonly http: number;
  readonly https: number;
  private readonly processes: readonly TestProcess[];

  private constructor(kind: Kind, ports: { readonly http: number; readonly https: number }, processes: readonly TestProcess[]) {
    this.kind = kind;
    this.http = ports.http;
    this.https = ports.https;
    this.processes = processes;
  }

  /** Resolves when it takes connections. */
  static async start({ kind, folder: parent, ...upstreams }: ProxyOptions): Promise<RunningProxy> {
    const [http = 0, https = 0, inner = 0] = await freePorts(3, "127.0.0.1");
    const folder = join(parent, kind.name.replaceAll(" ", "-"));
    mkdirSync(folder, { recursive: true });
    // Some of them give up being root.
    for (const path of [parent, folder]) chmodSync(path, 0o777);
    const [cert, key, pem] = ["cert.pem", "key.pem", "both.pem"].map((name) => join(folder, name)) as [string, string, string];
    writeCertificate("example.com", { cert, key });
    writeFileSync(pem, `${readFileSync(cert, "utf8")}${readFileSync(key, "utf8")}`);
    const commands = kind.prepare({ ...upstreams, folder, cert, key, pem, http, https, inner });
    const env = { ...process.env, HOME: folder };
    const processes = commands.map(([program = "", ...args]) => {
      const child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
      return new TestProcess(kind.name, child);
    });
    const proxy = new RunningProxy(kind, { http, https }, processes);
    try {
      for (const port of [http, https]) await proxy.listens(port);
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    return proxy;
  }

  get output(): string {
    return this.processes.map(({ output }) => output).join("\n");
  }

  /** @param host what the client asks for. */
  url(host: string, path: string): string {
    return `wss://${host}:${this.https}${path}`;
  }

  /** What makes a client come to this proxy with a host's name, from an address of its own. */
  options(headers: Readonly<Record<string, string>> = {}): ClientOptions {
    return {
      headers,
      tls: { rejectUnauthorized: false, localAddress: clientAddress, lookup: toLoopback },
    };
  }

  connect(path = "/echo", headers: Readonly<Record<string, string>> = {}, host = "ws.example.com"): Promise<TestClient> {
    return TestClient.open(this.url(host, path), this.options(headers));
  }

  /** An HTTP request with TLS. */
  ask(
    host: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    const to = {
      host: "127.0.0.1",
      port: this.https,
      servername: host,
      rejectUnauthorized: false,
      agent: false,
      localAddress: clientAddress,
    };
    return new Promise((resolve, reject) => {
      const asking = request({ ...to, path, headers: { host: `${host}:${this.https}`, ...headers } }, (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      });
      asking.on("error", reject);
      asking.end();
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.end()));
  }

  // Nothing tells it.
  private async listens(port: number): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!(await isTaken(port))) {
      const isOver = performance.now() > deadline || this.processes.some(({ ended }) => ended);
      if (isOver) throw new Error(`${this.kind.name} does not listen on ${port}:\n${this.output}`);
      await pause(20);
    }
  }
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (isConnected: boolean) => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

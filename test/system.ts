// A running thinstate for a test: a real nats-server, gateways and workers as processes of their own, started without a
// supervisor, so that a test decides when which of them starts, is activated, drains or dies. Whoever asks is told which release is
// active, as a supervisor does.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectBus } from "../nats/connection.ts";
import type { Bus } from "../protocol/bus.ts";
import { configExitCode } from "../protocol/errors.ts";
import { type Announcement, decodeAnnouncement, encodeAnnouncement, type GatewayHello, type WorkerHello } from "../protocol/membership.ts";
import { type Subjects, subjectsOf } from "../protocol/subjects.ts";
import { freePort } from "../supervisor/port.ts";
import { endsWithUs } from "../testbed/ends-with-us.ts";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { unlimitedClients } from "../testbed/unlimited-clients.ts";
import { startNats, type TestNats } from "./nats.ts";

const clone = join(import.meta.dirname, "..");

export interface SystemOptions {
  /** Within test/handlers. */
  readonly handlers?: string;
  readonly workers?: number;
  readonly gateways?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Instead of a plain one. The system stops it. */
  readonly nats?: TestNats;
}

export class TestProcess {
  readonly child: ChildProcess;
  readonly name: string;
  output = "";
  private readonly signal = new Signal();

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    endsWithUs(child, "SIGKILL");
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
        this.signal.tell();
      });
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** It has ended for a fault of its own: nobody has asked it to, and its settings are right. */
  get hasCrashed(): boolean {
    const { exitCode, signalCode } = this.child;
    if (["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGTRAP"].includes(signalCode ?? "")) return true;
    return ![null, 0, configExitCode].includes(exitCode) && !this.output.includes('"reason":"SIGTERM"');
  }

  /** Asks it to end, and kills it where it hangs. @returns its exit code; null where a signal ended it. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (!this.ended) {
      // Not before all that it has said was read.
      const exit = new Promise((resolve) => this.child.once("close", resolve));
      this.child.kill(signal);
      const killing = setTimeout(() => this.child.kill("SIGKILL"), patienceMs);
      await exit;
      clearTimeout(killing);
    }
    return this.child.exitCode;
  }

  /** Resolves once it has logged this. */
  says(text: string): Promise<void> {
    return this.signal.until(
      () => this.output.includes(text),
      () => `${this.name} says "${text}":\n${this.output}`,
      patienceMs,
    );
  }

  /** The lines of its log that are events of this name. */
  logged(text: string): Array<Record<string, unknown>> {
    return this.output
      .split("\n")
      .filter((line) => line.includes(text))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

export class TestSystem {
  nats: TestNats;
  readonly bus: Bus;
  readonly port: number;
  readonly subjects: Subjects = subjectsOf("thinstate");
  readonly processes: TestProcess[] = [];
  private readonly handlers: string;
  private readonly environment: Readonly<Record<string, string>>;
  private readonly gateways = new Map<string, GatewayHello>();
  private readonly workers = new Map<string, WorkerHello>();
  private readonly listeners = new Set<() => void>();
  private generation = 0;
  private release = "";
  private keepsWorkers = false;

  private constructor(nats: TestNats, bus: Bus, port: number, options: SystemOptions) {
    this.nats = nats;
    this.bus = bus;
    this.port = port;
    this.handlers = options.handlers ?? "basic";
    this.environment = options.environment ?? {};
    for (const subject of [this.subjects.members, this.subjects.membersFromWorkers]) {
      bus.subscribe(subject, ({ payload }) => this.hear(decodeAnnouncement(payload)));
    }
  }

  /** Resolves when a message could be answered; without workers, when the gateways have said hello. */
  static async start(options: SystemOptions = {}): Promise<TestSystem> {
    const nats = options.nats ?? (await startNats());
    const bus = await connectBus({ url: nats.url, name: "test", onEvent: () => undefined });
    const system = new TestSystem(nats, bus, await freePort("127.0.0.1"), options);
    const { gateways = 1, workers = 1 } = options;
    for (let index = 0; index < gateways; index++) system.startGateway();
    for (let index = 0; index < workers; index++) system.startWorker("1");
    await system.until(() => system.gateways.size === gateways && system.workers.size === workers, "every process says hello");
    if (workers > 0) await system.activate("1");
    return system;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get gatewayHellos(): GatewayHello[] {
    return [...this.gateways.values()];
  }

  get workerHellos(): WorkerHello[] {
    return [...this.workers.values()];
  }

  /** @param environment of this one alone. OPEN_FILES: it may open no more. */
  startGateway(environment: Readonly<Record<string, string>> = {}): TestProcess {
    return this.spawn("gateway", { PORT: String(this.port), ADMIN_PORT: "0", ...environment });
  }

  startWorker(release: string, handlers = this.handlers, environment: Readonly<Record<string, string>> = {}): TestProcess {
    return this.spawn("worker", { RELEASE: release, HANDLERS_DIR: join(clone, "test", "handlers", handlers), ...environment });
  }

  /** Ends nats-server without a word; resolves when another one is where it was. */
  async restartNats(awayMs = 0): Promise<void> {
    await this.killNats();
    await pause(awayMs);
    await this.bringNatsBack();
  }

  async killNats(): Promise<void> {
    this.nats.process.kill("SIGKILL");
    await this.nats.stop();
  }

  /** Where it was, and as it was. */
  async bringNatsBack(): Promise<void> {
    const { url, more } = this.nats;
    this.nats = await startNats(Number(new URL(url).port), more);
  }

  /** From now on a worker that ends is followed by another, and its end is told, as a supervisor would. */
  keepWorkers(): void {
    const keep = (worker: TestProcess) =>
      worker.child.once("exit", () => {
        if (!this.keepsWorkers) return;
        const hello = this.workerHellos.find(({ pid }) => pid === worker.pid);
        if (hello !== undefined) this.say({ kind: "gone", id: hello.id, reason: "exited" });
        keep(this.startWorker(this.release));
      });
    this.keepsWorkers = true;
    for (const worker of this.live("worker")) keep(worker);
  }

  /** Those of a name that have not ended, the oldest first. */
  live(name: "gateway" | "worker"): TestProcess[] {
    return this.processes.filter((process) => process.name === name && !process.ended);
  }

  /** Starts workers of another release, and resolves when they are standing by. */
  async standBy(release: string, { handlers = this.handlers, workers = 1 } = {}): Promise<TestProcess[]> {
    const started = Array.from({ length: workers }, () => this.startWorker(release, handlers));
    await this.until(() => this.readyWorkers(release) >= workers, `${workers} workers of release ${release} are ready`);
    return started;
  }

  /** Resolves when every gateway has handed everything over to the release. */
  async activate(release: string): Promise<void> {
    this.generation++;
    this.release = release;
    this.sayActivation();
    const isDone = ({ activation: active, serving, handover }: GatewayHello) =>
      active?.generation === this.generation && serving && handover?.generation === this.generation && handover.remaining === 0;
    await this.until(() => this.gatewayHellos.every(isDone), `release ${release} is active everywhere`);
  }

  /** Standbys, activation, and the end of the release before: what a deploy does. */
  async deploy(release: string, options: { handlers?: string; workers?: number } = {}): Promise<TestProcess[]> {
    const before = this.live("worker");
    const started = await this.standBy(release, options);
    await this.activate(release);
    await Promise.all(before.map((worker) => worker.end()));
    return started;
  }

  /** Waits for what gateways and workers say of themselves. */
  until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.listeners.delete(check);
        reject(new Error(`waited in vain: ${what}\n${this.processes.map(({ name, output }) => `${name}: ${output}`).join("\n")}`));
      }, patienceMs);
      const check = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.listeners.delete(check);
        resolve();
      };
      this.listeners.add(check);
    });
  }

  /** A gateway's /status. */
  async status(index = 0): Promise<Record<string, unknown> & { counters: Record<string, unknown> }> {
    const response = await fetch(`http://127.0.0.1:${this.gatewayHellos[index]?.adminPort}/status`);
    return (await response.json()) as Record<string, unknown> & { counters: Record<string, unknown> };
  }

  say(announcement: Announcement): void {
    this.bus.publish(this.subjects.members, encodeAnnouncement(announcement));
    // NATS does not send it back.
    this.hear(announcement);
  }

  async stop(): Promise<void> {
    this.keepsWorkers = false;
    await Promise.all(this.live("gateway").map((process) => process.end()));
    await Promise.all(this.live("worker").map((process) => process.end()));
    await this.bus.close();
    await this.nats.stop();
    const crashed = this.processes.find(({ name, hasCrashed }) => name === "gateway" && hasCrashed);
    if (crashed !== undefined) throw new Error(`a gateway has crashed: ${crashed.output}`);
  }

  private readyWorkers(release: string): number {
    return this.workerHellos.filter((worker) => worker.release === release && worker.state === "ready").length;
  }

  private sayActivation(): void {
    this.say({ kind: "activate", activation: { release: this.release, generation: this.generation } });
  }

  private hear(announcement: Announcement): void {
    if (announcement.kind === "ask" && this.generation > 0) this.sayActivation();
    if (announcement.kind === "gateway") this.gateways.set(announcement.id, announcement);
    if (announcement.kind === "worker") this.workers.set(announcement.id, announcement);
    if (announcement.kind === "gone") {
      this.gateways.delete(announcement.id);
      this.workers.delete(announcement.id);
    }
    for (const check of [...this.listeners]) check();
  }

  private spawn(name: "gateway" | "worker", environment: Record<string, string>): TestProcess {
    const ours = { ...unlimitedClients, PATH: process.env.PATH, NATS_URL: this.nats.url, READY_TIMEOUT_MS: String(patienceMs) };
    const env = { ...ours, ...this.environment, ...environment };
    const command = [process.execPath, "--import", "./process/typescript.mjs", `${name}/main.ts`];
    // Node takes what it may have: it is the hard limit that counts.
    if (environment.OPEN_FILES !== undefined) command.unshift("sh", "-c", `ulimit -n ${environment.OPEN_FILES}; exec "$@"`, "sh");
    const [program = "", ...parameters] = command;
    const child = spawn(program, parameters, { cwd: clone, env, stdio: ["ignore", "pipe", "pipe"] });
    const started = new TestProcess(name, child);
    this.processes.push(started);
    return started;
  }
}

// Whether everybody is well: each process is the one that it was, a victim is answered, and no bug is in the log.

import { type Installation, isAlive } from "../testbed/installation.ts";
import { residentBytesOf } from "../testbed/usage.ts";
import { isReal } from "./scene.ts";
import { Victim } from "./victim.ts";

/** Garbage is refused with these, and may have any error as its cause. */
const refusals = /"code":"envelope\.(malformed|version)"|"code":"publish\.invalid"/;
/** Who says hello as a gateway of 0.2 is spoken to where those listen, which NATS allows to old workers only. */
const oldSubject = /Permissions Violation for Publish to \\"[\w-]+\.(members|link\.[\w-]+)\\"/;
/** How many more lines of a kind there were: the first of them were looked at. */
const leftOut = /"leftOut":\d/;
/** What memory may grow by after the warm-up, and still be called flat: V8 takes what it may before it collects. */
const growthBytes = 48 * 1024 * 1024;

export class Vitals {
  private readonly installation: Installation;
  private readonly victim: Victim;
  private pids: ReadonlyMap<number, string> = new Map();
  /** The victim, when it was last looked at. */
  private isAnswered = true;
  private warm: ReadonlyMap<number, number> = new Map();

  private constructor(installation: Installation) {
    this.installation = installation;
    this.victim = new Victim(installation.url);
  }

  static async of(installation: Installation): Promise<Vitals> {
    const vitals = new Vitals(installation);
    await vitals.meet();
    await vitals.check();
    return vitals;
  }

  /** @throws what is wrong. */
  async check(): Promise<void> {
    const { complaints } = this.installation;
    const bugs = complaints.splice(0).filter((line) => ![refusals, oldSubject, leftOut].some((harmless) => harmless.test(line)));
    const dead = [...this.pids].filter(([pid]) => !isAlive(pid)).map(([, name]) => `${name} ended`);
    const unanswered = await this.victim.echo().then(
      () => [],
      (error: Error) => [error.message],
    );
    this.isAnswered = unanswered.length === 0;
    const wrong = [...dead, ...bugs.map((line) => `in the log: ${line}`), ...unanswered];
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
  }

  /** Whether the supervisor answers, and all of its processes are those that they were. @throws */
  async checkAll(): Promise<void> {
    const before = new Set(this.pids.keys());
    await this.meet();
    const fresh = [...this.pids].filter(([pid]) => !before.has(pid));
    if (fresh.length > 0) throw new Error(`${fresh.map(([, name]) => name).join(", ")} had to be started again`);
  }

  /** Caches and pools are full from now on. */
  remember(): void {
    this.warm = new Map([...this.pids.keys()].map((pid) => [pid, residentBytesOf([pid])]));
  }

  /** @returns in words, whose memory has grown since `remember`. */
  grown(): string[] {
    return [...this.warm].flatMap(([pid, before]) => {
      const now = residentBytesOf([pid]);
      return now - before > growthBytes ? [`${this.pids.get(pid)} grew from ${mib(before)} to ${mib(now)} MiB`] : [];
    });
  }

  /** After a failure: what hangs would make every further case fail, and a small input cannot be told from a large one then. */
  async recover(): Promise<void> {
    const isWell = this.isAnswered && [...this.pids.keys()].every(isAlive);
    // The supervisor starts others.
    if (!isWell) for (const [pid, name] of this.pids) if (/^the (gateway|worker)/.test(name)) signalProcess(pid);
    await this.installation.until("others have taken their place", ({ gateways, workers }) => {
      return isWell || [...gateways, ...workers].every(({ pid }) => !this.pids.has(pid));
    });
    await this.meet();
    this.installation.complaints.splice(0);
    await this.victim.echo();
  }

  close(): void {
    this.victim.close();
  }

  private async meet(): Promise<void> {
    const { workers: expected, gateways: gatewayCount } = this.installation.shape;
    const { gateways, workers, nats, pid } = await this.installation.until("every process runs", (status) => {
      const known = status.workers.filter(({ state }) => state === "active");
      return status.gateways.length >= gatewayCount && known.length >= expected && status.ready;
    });
    this.pids = new Map([
      // A hello that was made up has a process id that is made up, too.
      ...gateways.filter(isReal).map((gateway) => [gateway.pid, `the gateway ${gateway.id}`] as const),
      ...workers.filter(isReal).map((worker) => [worker.pid, `the worker ${worker.id}`] as const),
      [nats.pid ?? 0, "nats-server"],
      [pid ?? 0, "the supervisor"],
    ]);
  }
}

function signalProcess(pid: number): void {
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

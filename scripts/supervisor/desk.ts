// Answers what commands ask over the control socket, and lets one deploy run at a time. The lock is only in memory, so it
// cannot outlive the supervisor.

import { ReleaseError } from "../releases/release.ts";
import { type Answer, Cancelled, type ControlRequest, type Outcome, ownName, type Who } from "./control.ts";
import { StandbyError } from "./crew.ts";
import { DeployRefused } from "./deploy.ts";
import type { Log } from "./log.ts";
import type { DeployReport } from "./report.ts";
import { StillStarting, type Supervisor } from "./supervisor.ts";

interface Deploying {
  readonly what: string;
  readonly who: Who;
  readonly since: Date;
}

type DeployRequest = Exclude<ControlRequest, { request: "status" }>;

export class Desk {
  private readonly supervisor: Supervisor;
  private readonly log: Log;
  private deploying: Deploying | undefined;

  constructor(supervisor: Supervisor, log: Log) {
    this.supervisor = supervisor;
    this.log = log;
  }

  readonly answer: Answer = async (request, onStep, signal) => {
    try {
      if (request.request === "status") return { ok: true, result: this.supervisor.status(this.deployingText) };
      return await this.replace(request, onStep, signal);
    } catch (error) {
      return this.failure(error);
    }
  };

  /** Makes the working tree live as it is: dev mode. @returns undefined while a deploy runs. */
  async refresh(): Promise<Outcome<DeployReport> | undefined> {
    if (this.deploying !== undefined) return undefined;
    const request: DeployRequest = { request: "deploy", force: true, workers: 0, who: ownName() };
    return this.replace(request, () => undefined, new AbortController().signal, { check: false }).catch((error) => this.failure(error));
  }

  private get deployingText(): string | null {
    if (this.deploying === undefined) return null;
    const { what, who, since } = this.deploying;
    return `${what} by ${who.user || "somebody"} (process ${who.pid}) since ${since.toLocaleTimeString("en-GB")}`;
  }

  private async replace(
    request: DeployRequest,
    onStep: (step: string) => void,
    signal: AbortSignal,
    { check } = { check: true },
  ): Promise<Outcome<DeployReport>> {
    if (this.deploying !== undefined) throw new DeployRefused(`there is already a ${this.deployingText}`);
    this.deploying = { what: request.request, who: request.who, since: new Date() };
    this.log.event("info", `${request.request} begins`, { by: request.who });
    try {
      const options = { onStep, signal, force: request.force };
      const result =
        request.request === "rollback"
          ? await this.supervisor.rollback(options)
          : await this.supervisor.deploy({ ...options, workers: request.workers, check });
      return { ok: true, result };
    } finally {
      this.deploying = undefined;
    }
  }

  private failure(error: unknown): Outcome<never> {
    if (error instanceof ReleaseError) return { ok: false, error: "the new release does not check out", problems: error.problems };
    if (error instanceof Error && isExpected(error)) return { ok: false, error: error.message, problems: [] };
    // A bug, or a full disk: the release that served still does.
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log.event("error", "a deploy failed unexpectedly", { err: { stack: text } });
    return { ok: false, error: text, problems: [] };
  }
}

function isExpected(error: Error): boolean {
  return error instanceof DeployRefused || error instanceof StandbyError || error instanceof StillStarting || error instanceof Cancelled;
}

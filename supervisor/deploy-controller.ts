// Answers what commands ask over the control socket, and lets one deploy run at a time. The lock is only in memory, so it
// cannot outlive the supervisor.

import { randomBytes } from "node:crypto";
import type { DeployProgress } from "../protocol/deploy-progress.ts";
import { isCodedError } from "../protocol/errors.ts";
import { type Answer, Cancelled, type ControlRequest, type Outcome, ownName, type Who } from "./control.ts";
import type { DeployReport } from "./deploy-report.ts";
import { DeployTelling } from "./deploy-telling.ts";
import { type Deployable, StillStarting } from "./deployable.ts";
import type { Log } from "./log-display.ts";
import { ReleaseError } from "./releases/release.ts";
import { RollbackSignal } from "./rollback-request.ts";
import { RolledBack } from "./rolled-back.ts";
import type { UnderWay } from "./status.ts";
import type { OnStep } from "./steps.ts";
import { DeployRefused } from "./switch-over.ts";
import { StandbyError } from "./worker-pool.ts";

interface Deploying {
  readonly what: string;
  readonly who: Who;
  readonly since: Date;
  readonly rollbackSignal: RollbackSignal;
}

type DeployRequest = Exclude<ControlRequest, { request: "status" }>;

export class DeployController {
  private readonly supervisor: Deployable;
  private readonly log: Pick<Log, "event">;
  private deploying: Deploying | undefined;

  constructor(supervisor: Deployable, log: Pick<Log, "event">) {
    this.supervisor = supervisor;
    this.log = log;
  }

  readonly answer: Answer = async (request, onStep, signal) => {
    try {
      if (request.request === "status") return { ok: true, result: await this.supervisor.status(this.underWay) };
      return await this.replace(request, onStep, signal);
    } catch (error) {
      if (request.request !== "status" && isRefusal(error)) {
        const what = error instanceof Cancelled ? "was cancelled" : "was refused";
        this.log.event("warn", `${request.request} ${what}: ${error.message}`, { by: request.who });
      }
      return this.failure(error);
    }
  };

  /** Makes the working tree live as it is: dev mode. @returns undefined while a deploy runs. */
  async refresh(): Promise<Outcome<DeployReport> | undefined> {
    if (this.deploying !== undefined) return undefined;
    const request: DeployRequest = { request: "deploy", force: true, workers: 0, who: ownName() };
    return this.replace(request, () => undefined, new AbortController().signal, { check: false }).catch((error) => this.failure(error));
  }

  /** When the watch over what was activated should end; null: there is none. */
  get watchedUntil(): number | null {
    return this.deploying?.rollbackSignal.watchedUntil ?? null;
  }

  private get underWay(): UnderWay {
    return { deploying: this.deploying === undefined ? null : textOf(this.deploying), watchedUntil: this.watchedUntil };
  }

  private async replace(
    request: DeployRequest,
    onStep: OnStep,
    signal: AbortSignal,
    { check } = { check: true },
  ): Promise<Outcome<DeployReport>> {
    if (this.deploying !== undefined) return this.interrupt(this.deploying, request, onStep);
    const rollbackSignal = new RollbackSignal();
    const telling = this.telling(request);
    this.deploying = { what: request.request, who: request.who, since: new Date(), rollbackSignal };
    this.log.event("info", `${request.request} begins`, { by: request.who });
    try {
      const tellStep: OnStep = (text, event) => {
        telling.step(text, event);
        onStep(text, event);
      };
      const options = { onStep: tellStep, signal, force: request.force };
      const result =
        request.request === "rollback"
          ? await this.supervisor.rollback({ ...options, to: request.to, by: nameOf(request.who) })
          : await this.supervisor.deploy({ ...options, workers: request.workers, check, rollbackSignal });
      telling.done(result);
      return { ok: true, result };
    } catch (error) {
      telling.failed(error);
      throw error;
    } finally {
      this.deploying = undefined;
    }
  }

  private telling({ request, who }: DeployRequest): DeployTelling {
    const tell = (progress: DeployProgress) => this.supervisor.tellDeploy(progress);
    return new DeployTelling({ id: `d${randomBytes(5).toString("hex")}`, what: request, by: nameOf(who), tell, wallClock: Date.now });
  }

  /** One deploy at a time; but who wants back what served before need not wait until the watch over its successor ends. */
  private async interrupt(running: Deploying, request: DeployRequest, onStep: OnStep): Promise<Outcome<DeployReport>> {
    const by = `rollback-worker, ${nameOf(request.who)}`;
    const asked = request.request === "rollback" ? running.rollbackSignal.ask(by, request.to, request.force) : undefined;
    if (asked === undefined) {
      const advice = running.rollbackSignal.mayBeAsked ? "wait, or npm run rollback-worker" : "wait until it has ended (npm run status)";
      throw new DeployRefused(`there is already a ${textOf(running)}: ${advice}`);
    }
    onStep("ending the watch, going back");
    const report = await asked;
    if (report === undefined) throw new DeployRefused("the watch has just ended without a rollback: please try again");
    return { ok: true, result: report };
  }

  private failure(error: unknown): Outcome<never> {
    if (error instanceof ReleaseError) return { ok: false, error: "the new release does not check out", problems: error.problems };
    if (isRefusal(error)) return { ok: false, error: error.message, problems: [] };
    if (error instanceof RolledBack) {
      this.log.event("error", error.message, { release: error.facts.release, reason: error.facts.reason });
      return { ok: false, error: error.message, problems: [], rolledBack: error.facts };
    }
    // A bug, or a full disk: the release that served still does.
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log.event("error", "a deploy failed unexpectedly", { err: { stack: text } });
    return { ok: false, error: text, problems: [] };
  }
}

/** "deploy by ada (process 12) since 20:54:37, watching until 20:54:42" */
function textOf({ what, who, since, rollbackSignal: { watchedUntil } }: Deploying): string {
  const watching = watchedUntil === null ? "" : `, watching until ${clock(new Date(watchedUntil))}`;
  return `${what} by ${nameOf(who)} since ${clock(since)}${watching}`;
}

function clock(time: Date): string {
  return time.toLocaleTimeString("en-GB");
}

/** "ada (process 12)" */
function nameOf({ user, pid }: Who): string {
  return `${user || "somebody"} (process ${pid})`;
}

/** What served before still does, for a reason that is no bug. */
function isRefusal(error: unknown): error is Error {
  return (
    error instanceof ReleaseError ||
    [DeployRefused, StandbyError, StillStarting, Cancelled].some((kind) => error instanceof kind) ||
    isCodedError(error, "release.unknown")
  );
}

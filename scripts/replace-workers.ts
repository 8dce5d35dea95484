// What `npm run deploy-worker` and `npm run rollback-worker` have in common: they ask whoever runs the workers, and show what
// it does.

import { setTimeout as pause } from "node:timers/promises";
import { onSignals } from "../process/signals.ts";
import { type ControlRequest, NotRunning, type Outcome, type Problem } from "../supervisor/control.ts";
import { type DeployReport, hasClosed, reportText } from "../supervisor/deploy-report.ts";
import type { Status } from "../supervisor/status.ts";
import type { OnStep } from "../supervisor/steps.ts";
import { clone } from "./setup/cache.mjs";
import { type Progress, paint, startProgress } from "./setup/progress.mjs";
import { visible } from "./setup/visible.mjs";
import { findTarget, NotRoot, type Target, type TargetName } from "./target-installation.ts";

/** What a shell says of a command that Ctrl-C has ended. */
const interrupted = 130;
/** How long the server may take to give up, or to hand over what it has begun to. */
const settleMs = 10_000;
const lookMs = 50;

export interface ReplaceWorkersOptions {
  /** One line of JSON, for programs. */
  readonly isJson: boolean;
  /** undefined: whichever is there. */
  readonly target?: TargetName | undefined;
}

/** @returns The exit code. */
export async function replaceWorkers(request: ControlRequest, { isJson, target: wanted }: ReplaceWorkersOptions): Promise<number> {
  let progress: Progress | undefined;
  const onStep: OnStep = (step, event) => {
    if (isJson) return;
    // Where lines are not redrawn, the figures of a step would fill the log.
    if (event === "update") return process.stderr.isTTY ? progress?.update(step) : undefined;
    if (event === "note") return progress === undefined ? void process.stderr.write(`${visible(step)}\n`) : progress.note(step);
    if (event === "failed") progress?.fail(step);
    else progress?.done();
    progress = event === "failed" ? undefined : startProgress(step);
  };
  const leaving = new AbortController();
  const leave = (_signal: NodeJS.Signals, isRepeated: boolean) => {
    if (isRepeated) process.exit(interrupted);
    progress?.fail("this command ends");
    progress = undefined;
    leaving.abort();
  };
  let outcome: Outcome<DeployReport>;
  let target: Target | undefined;
  try {
    target = await findTarget({ command: `${request.request}-worker`, wanted, env: process.env });
    if (!target.isLocal && !isJson)
      process.stderr.write(`${request.request === "deploy" ? "deploying to" : "rolling back"} ${target.name}\n`);
    // Of services, this process is the supervisor itself, and has its own way to end.
    if (target.isLocal) onSignals(leave);
    outcome = await target.ask<DeployReport>(request, onStep, leaving.signal);
  } catch (error) {
    if (!(error instanceof NotRunning || error instanceof NotRoot)) throw error;
    if (target !== undefined && leaving.signal.aborted) return sayWhatIsLeft(target, isJson);
    outcome = { ok: false, error: error.message, problems: [] };
  }
  // Going back was the last step, and went well.
  if (outcome.ok || outcome.rolledBack?.backTo) progress?.done();
  else progress?.fail();
  const serving = outcome.ok ? undefined : (await statusOf(target))?.release?.id;
  if (isJson) {
    process.stdout.write(`${JSON.stringify(outcome.ok ? { ok: true, ...outcome.result } : { ...outcome, serving: serving ?? null })}\n`);
  } else if (outcome.ok) {
    process.stdout.write(`${visible(reportText(outcome.result))}\n`);
  } else {
    process.stderr.write(`${failureText(outcome.error, outcome.problems, serving)}\n`);
  }
  return outcome.ok && !hasClosed(outcome.result.closed) ? 0 : 1;
}

/** After Ctrl-C: which release serves now, and whether the server goes on with something. @returns The exit code. */
async function sayWhatIsLeft(target: Target, isJson: boolean): Promise<number> {
  const isSettled = (status: Status | undefined) => status === undefined || status.deploying === null || status.watchedUntil !== null;
  let status = await statusOf(target);
  // What it has not activated it gives up; what it has, it brings to an end.
  for (const deadline = Date.now() + settleMs; !isSettled(status) && Date.now() < deadline; status = await statusOf(target)) {
    await pause(lookMs);
  }
  const text = leftText(status);
  if (isJson) {
    const serving = status?.release?.id ?? null;
    process.stdout.write(`${JSON.stringify({ ok: false, error: text, problems: [], serving })}\n`);
  } else process.stderr.write(`${visible(text)}\n`);
  return interrupted;
}

function leftText(status: Status | undefined): string {
  if (status === undefined) return "thinstate does not run here any more; start it with npm start";
  const { release, deploying, watchedUntil } = status;
  const name = release === null ? "no release" : `release ${release.id}`;
  if (watchedUntil !== null) {
    const until = new Date(watchedUntil).toLocaleTimeString("en-GB");
    return `${name} is active, and the server goes on watching it until ${until}; npm run rollback-worker goes back`;
  }
  return `${name} serves${deploying === null ? "" : `; the server has not ended the ${deploying} yet: npm run status`}`;
}

/** undefined where nothing runs. */
async function statusOf(target: Target | undefined): Promise<Status | undefined> {
  try {
    const outcome = await target?.ask<Status>({ request: "status" }, () => undefined);
    return outcome?.ok ? outcome.result : undefined;
  } catch (error) {
    if (error instanceof NotRunning) return undefined;
    throw error;
  }
}

function failureText(error: string, problems: readonly Problem[], serving: string | undefined): string {
  const lines = problems.map(({ file, line, text }) => visible(`${file}${line === undefined ? "" : `:${line}`}: ${text}`));
  const still = serving === undefined ? [] : [paint(process.stderr, "bold", `release ${serving} still serves`)];
  return [paint(process.stderr, "red", visible(error)), ...lines, ...still].join("\n").replaceAll(`${clone}/`, "");
}

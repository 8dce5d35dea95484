// What `npm run deploy-worker` and `npm run rollback-worker` have in common: they ask whoever runs the workers, and show what
// it does.

import { clone } from "./setup/cache.mjs";
import { type Progress, paint, startProgress } from "./setup/progress.mjs";
import { type ControlRequest, NotRunning, type Outcome, type Problem } from "./supervisor/control.ts";
import { type DeployReport, reportText } from "./supervisor/report.ts";
import type { Status } from "./supervisor/status.ts";
import type { OnStep } from "./supervisor/steps.ts";
import { findTarget, NotRoot, type Target, type TargetName } from "./target.ts";

export interface ReplacementOptions {
  /** One line of JSON, for programs. */
  readonly isJson: boolean;
  /** undefined: whichever is there. */
  readonly target?: TargetName | undefined;
}

/** @returns The exit code. */
export async function showReplacement(request: ControlRequest, { isJson, target: wanted }: ReplacementOptions): Promise<number> {
  let progress: Progress | undefined;
  const onStep: OnStep = (step, isUpdate) => {
    if (isJson) return;
    // Where lines are not redrawn, the figures of a step would fill the log.
    if (isUpdate) return process.stderr.isTTY ? progress?.update(step) : undefined;
    progress?.done();
    progress = startProgress(step);
  };
  let outcome: Outcome<DeployReport>;
  let target: Target | undefined;
  try {
    target = await findTarget({ command: `${request.request}-worker`, wanted, env: process.env });
    if (!target.isLocal && !isJson)
      process.stderr.write(`${request.request === "deploy" ? "deploying to" : "rolling back"} ${target.name}\n`);
    outcome = await target.ask<DeployReport>(request, onStep);
  } catch (error) {
    if (!(error instanceof NotRunning || error instanceof NotRoot)) throw error;
    outcome = { ok: false, error: error.message, problems: [] };
  }
  // Going back was the last step, and went well.
  if (outcome.ok || outcome.rolledBack?.backTo) progress?.done();
  else progress?.fail();
  const serving = outcome.ok ? undefined : await servingRelease(target);
  if (isJson) {
    process.stdout.write(`${JSON.stringify(outcome.ok ? { ok: true, ...outcome.result } : { ...outcome, serving: serving ?? null })}\n`);
  } else if (outcome.ok) {
    process.stdout.write(`${reportText(outcome.result)}\n`);
  } else {
    process.stderr.write(`${failureText(outcome.error, outcome.problems, serving)}\n`);
  }
  return outcome.ok ? 0 : 1;
}

async function servingRelease(target: Target | undefined): Promise<string | undefined> {
  try {
    const outcome = await target?.ask<Status>({ request: "status" }, () => undefined);
    return outcome?.ok ? outcome.result.release?.id : undefined;
  } catch (error) {
    if (error instanceof NotRunning) return undefined;
    throw error;
  }
}

function failureText(error: string, problems: readonly Problem[], serving: string | undefined): string {
  const lines = problems.map(({ file, line, text }) => `${file}${line === undefined ? "" : `:${line}`}: ${text}`);
  const still = serving === undefined ? [] : [paint(process.stderr, "bold", `release ${serving} still serves`)];
  return [paint(process.stderr, "red", error), ...lines, ...still].join("\n").replaceAll(`${clone}/`, "");
}

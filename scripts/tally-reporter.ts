// Vitest's usual report, and what has passed and failed as one line of JSON in a file, which scripts/vitest.ts reads. Vitest's own JSON
// report names its file on the terminal, where nobody needs it: it is gone after the run.

import { writeFileSync } from "node:fs";
import * as v from "valibot";
import { DefaultReporter, type TestCase, type TestModule, type TestRunEndReason } from "vitest/node";
import { type Failure, whyOf } from "./failures.ts";

/** Names the file. */
export const tallyFileVariable = "THINSTATE_TALLY_FILE";

export const fileTally = v.object({
  /** Test files. */
  files: v.number(),
  passed: v.number(),
  failed: v.number(),
  /** Those to be written, too. */
  skipped: v.number(),
  /** Also of files that do not load and of errors outside of any test, which are no test that has failed. */
  failures: v.array(v.object({ name: v.string(), why: v.string() })),
  /** What was skipped for a reason that was given, each once: "test/browser/pages.test.ts: needs Chromium". */
  skips: v.array(v.string()),
});

export default class TallyReporter extends DefaultReporter {
  override onTestRunEnd(
    modules: readonly TestModule[],
    errors: Parameters<DefaultReporter["onTestRunEnd"]>[1],
    reason: TestRunEndReason,
  ): void {
    // Where no file was chosen, it would list the patterns of all projects.
    if (modules.length > 0 || errors.length > 0) super.onTestRunEnd(modules, errors, reason);
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const having = (wanted: ReturnType<(typeof tests)[number]["result"]>["state"]) =>
      tests.filter((test) => test.result().state === wanted);
    const tally: v.InferOutput<typeof fileTally> = {
      files: modules.length,
      passed: having("passed").length,
      failed: having("failed").length,
      skipped: having("skipped").length,
      failures: [
        ...having("failed").map((test) => ({
          name: `${test.module.relativeModuleId} > ${test.fullName}`,
          why: whyOf(test.result().errors ?? [], test.project.config.root),
        })),
        ...modules.flatMap(failureBeside),
        ...(errors.length > 0 ? [{ name: "outside of any test", why: whyOf(errors, process.cwd()) }] : []),
      ],
      skips: [...new Set(having("skipped").flatMap((test) => reasonOf(test)))],
    };
    writeFileSync(process.env[tallyFileVariable] ?? "", JSON.stringify(tally));
  }
}

/** What failed of a file, but not in a test: its imports, or a hook for all. */
function failureBeside(module: TestModule): Failure[] {
  const errors = [module, ...module.children.allSuites()].flatMap((suite) => suite.errors());
  return errors.length > 0 ? [{ name: module.relativeModuleId, why: whyOf(errors, module.project.config.root) }] : [];
}

/** Of a test that calls `skip` with a reason. */
function reasonOf(test: TestCase): string[] {
  const result = test.result();
  return result.state === "skipped" && result.note !== undefined ? [`${test.module.relativeModuleId}: ${result.note}`] : [];
}

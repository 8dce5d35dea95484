// Which tests there are, and which of them are unit tests: those that need neither other programs nor much time.

import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { testPatienceMs } from "./testbed/patience.ts";

const besideTheCode = "{protocol,process,nats,gateway,worker,supervisor,scripts,testbed,bench,chaos,abuse,fuzz}/**/*.test.ts";

/** Beside the code as well, but they start nats-server, npm, a compiler or other processes, or wait for time to pass. */
const withProcesses = [
  "bench/load-group.test.ts",
  "bench/load-process.test.ts",
  "gateway/commit.test.ts",
  "gateway/topics.test.ts",
  "gateway/uws/response-body.test.ts",
  "gateway/uws/library.test.ts",
  "nats/connection.test.ts",
  "nats/security.test.ts",
  "process/notify.test.ts",
  "protocol/link-hub.test.ts",
  "scripts/checks.test.ts",
  "scripts/setup/npm.test.ts",
  "supervisor/deploy-priority.test.ts",
  "supervisor/nats-server/access.test.ts",
  "supervisor/nats-server/upstream.test.ts",
  "supervisor/presence.test.ts",
  "supervisor/releases/check.test.ts",
  "supervisor/releases/compiled.test.ts",
  "supervisor/releases/low-priority-process.test.ts",
  "supervisor/releases/release.test.ts",
  "supervisor/releases/type-check.test.ts",
  "worker/loader.test.ts",
];

/** They take a minute and more. Begun last, one of them would run by itself while the other core has nothing to do. */
const longest = [
  ...["systemd/bookworm", "deploy", "chaos", "taken-back", "automatic-rollback", "nats-faults", "supervisor", "standstill"],
  ...["abuse", "fuzz", "cut-off", "systemd/trixie", "kill", "parking", "nats-server", "dev"],
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = longest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return index === -1 ? longest.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

const generated = ["**/node_modules/**", ".thinstate*/**"];

export default defineConfig({
  test: {
    // Real processes on machines that are busy with other things: what is waited for has its own, shorter patience.
    testTimeout: testPatienceMs,
    hookTimeout: testPatienceMs,
    // Each file may start a handful of processes, and waits for them most of the time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [besideTheCode],
          exclude: [...generated, ...withProcesses],
          // A process for each file would take longer than most tests do.
          isolate: false,
          setupFiles: "testbed/property-time.ts",
        },
      },
      {
        extends: true,
        test: { name: "system", include: ["test/*.test.ts", "test/proxies/*.test.ts", ...withProcesses], exclude: generated },
      },
      // Machines with systemd boot in containers: needs root.
      { extends: true, test: { name: "systemd", include: ["test/systemd/*.test.ts"], exclude: generated } },
    ],
  },
});

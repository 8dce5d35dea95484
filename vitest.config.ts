import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { testPatienceMs } from "./testbed/patience.ts";

/** They take a minute and more. Begun last, one of them would run by itself while the other core has nothing to do. */
const longest = ["systemd/bookworm", "chaos", "supervisor", "automatic-rollback", "cut-off", "kill", "deploy", "systemd/trixie"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = longest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return index === -1 ? longest.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ["{protocol,process,nats,gateway,worker,supervisor,scripts,testbed,bench,chaos,test}/**/*.test.ts"],
    exclude: ["**/node_modules/**", ".thinstate*/**"],
    // Real processes on machines that are busy with other things: what is waited for has its own, shorter patience.
    testTimeout: testPatienceMs,
    hookTimeout: testPatienceMs,
    // Each file may start a handful of processes, and waits for them most of the time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
  },
});

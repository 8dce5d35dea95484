// Which tests there are; which of them are unit tests, that need neither other programs nor much time; and which say the same with
// every Node.

import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { testPatienceMs } from "./testbed/patience.ts";

const besideTheCode = "{protocol,process,nats,gateway,worker,supervisor,scripts,testbed,bench,chaos,abuse,fuzz,examples}/**/*.test.ts";

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

/**
 * They say the same with every Node, and take long: where a run has several Nodes, only the last one has them. Nothing that they are about
 * depends on the library that holds the sockets (uWebSockets.js 20.30 or 20.69), on who reads TypeScript (Node or tsx), or on what Node does
 * itself (HTTP, TLS, files). Beside each group: what every Node still runs of it.
 */
const anyNode = [
  // What refuses a deploy, its steps, and ways back. Every Node: test/dev.test.ts, test/state.test.ts, worker/loader.test.ts, and the others
  // of supervisor/releases/. Node 20 and 24: machines with systemd.
  "supervisor/releases/check.test.ts",
  "test/automatic-rollback.test.ts",
  "test/cut-off.test.ts",
  "test/dashboard.test.ts",
  "test/deploy.test.ts",
  "test/deploy-states.test.ts",
  "test/nonsense.test.ts",
  "test/rollback.test.ts",
  "test/taken-back.test.ts",
  // What dies, stands still or is away: decided by workers' epochs, links and the supervisor. Every Node: test/departure and
  // gateway-kill.
  "test/activation.test.ts",
  "test/app.test.ts",
  "test/chaos.test.ts",
  "test/kill.test.ts",
  "test/nats-faults.test.ts",
  "test/parking.test.ts",
  "test/power-cut.test.ts",
  "test/silent-gateways.test.ts",
  "test/standstill.test.ts",
  // What runs on time or in one place. Every Node: test/timers.test.ts, test/tasks.test.ts.
  "test/expiry.test.ts",
  "test/heartbeat.test.ts",
  "test/on-start.test.ts",
  // Processes and their files, nats-server's permissions. Every Node: npm start in test/env-file.test.ts, test/sigterm.test.ts.
  "test/nats-server.test.ts",
  "test/reload.test.ts",
  "test/supervisor.test.ts",
  "supervisor/nats-server/access.test.ts",
  "supervisor/nats-server/upstream.test.ts",
  // Counts of ours. Every Node: test/admin.test.ts, test/client-limits.test.ts.
  "test/metrics.test.ts",
  // Calls that all gateways answer together. Every Node: test/http-api.test.ts, test/members.test.ts.
  "test/http-api-users.test.ts",
  // The same while workers, gateways and NATS are replaced or die. Every Node: test/topics, members, sessions and sockjs.
  "test/history.test.ts",
  "test/hooks.test.ts",
  "test/locks.test.ts",
  "test/piped-sockets.test.ts",
  "test/sessions-through-changes.test.ts",
  "test/socket-io-recovery.test.ts",
  // Clients of others, which have an installation of their own to run on. Every Node: test/departure, sockjs and wamp.
  "test/every-client.test.ts",
  "test/no-herd.test.ts",
  "test/reconnecting.test.ts",
  "test/socket-io.test.ts",
  // Strangers against bounds that are ours, and not the library's. Every Node: test/clients.test.ts, test/client-limits.test.ts.
  "test/abuse.test.ts",
  "test/abuse-of-limits.test.ts",
  // Random bytes for decoders of ours, which say the same wherever they run. Every Node: test/fuzz.test.ts, the decoders' own tests.
  "test/fuzz-inside.test.ts",
  // Tools of developers. Every Node: test/fuzz.test.ts, and the checks themselves.
  "bench/load-process.test.ts",
  "scripts/checks.test.ts",
  "test/bench.test.ts",
  "test/new-handler.test.ts",
  // Pages in Chromium, which the container has. Every Node: their handlers' own tests, and worker/files.test.ts.
  "test/browser/*.test.ts",
];

/** They take a minute and more. Begun last, one of them would run by itself while the other core has nothing to do. */
const longest = [
  ...["systemd/bookworm", "deploy", "chaos", "automatic-rollback", "dev", "cut-off", "abuse-of-limits", "supervisor", "standstill"],
  ...[
    "taken-back",
    "systemd/trixie",
    "client-limits",
    "abuse",
    "fuzz-inside",
    "nonsense",
    "nats-server",
    "nats-faults",
    "kill",
    "on-start",
  ],
  ...[
    "every-client",
    "browser/pages",
    "browser/faults",
    "browser/clients",
    "browser/dashboard",
    "bench",
    "dashboard",
    "deploy-states",
    "clients",
  ],
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
        test: {
          name: "system",
          include: ["test/*.test.ts", "test/proxies/*.test.ts", ...withProcesses],
          exclude: [...generated, ...anyNode],
        },
      },
      { extends: true, test: { name: "any-node", include: anyNode, exclude: generated } },
      // Machines with systemd boot in containers: needs root.
      { extends: true, test: { name: "systemd", include: ["test/systemd/*.test.ts"], exclude: generated } },
    ],
  },
});

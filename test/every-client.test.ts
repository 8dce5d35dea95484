// Every client, with several messages under way at any time, through all that may happen: while its connection stays, nothing is lost,
// doubled or reordered; when its gateway is killed, it comes back by itself and goes on. Browsers: test/browser/clients.test.ts.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LibraryFigures } from "../chaos/library-record.ts";
import { LibraryWatch, libraryClients } from "../chaos/library-watch.ts";
import { startNats } from "./nats.ts";
import { pythonClients } from "./python-clients.ts";
import { TestSystem } from "./system.ts";

/** As they name themselves. */
const names = [
  ...["socket.io-client over websocket", "socket.io-client over polling", "socket.io-client over its default"],
  ...[
    "sockjs-client over websocket",
    "sockjs-client over xhr-streaming",
    "sockjs-client over eventsource",
    "sockjs-client over xhr-polling",
  ],
  ...["autobahn calling autobahn", "wampy calling wampy", "wamp1", "partysocket", "reconnecting-websocket"],
  ...pythonClients.map(({ name }) => name),
];
const missing = new Set(pythonClients.filter(({ open }) => open === undefined).map(({ name }) => name));
/** Short, so that a fault meets messages that are under way. */
const burstMs = 50;

let store: string;
let system: TestSystem;
let watch: LibraryWatch;
let before: LibraryFigures[] = [];
let after: LibraryFigures[] = [];

const gateways = () => system.gatewayHellos.map(({ id }) => id);

beforeAll(async () => {
  store = mkdtempSync(join(tmpdir(), "thinstate-every-client-"));
  const nats = await startNats(0, ["-js", "-sd", store]);
  system = await TestSystem.start({ handlers: "../../chaos/handlers", workers: 2, nats });
  const clients = [...libraryClients, ...pythonClients.flatMap(({ open }) => open ?? [])];
  watch = await LibraryWatch.open(system.url, gateways(), { clients, burstMs });
  after = await watch.rest();
});

afterAll(async () => {
  await watch?.rest();
  watch?.close();
  await system?.stop();
  rmSync(store, { recursive: true, force: true });
});

interface Happening {
  readonly title: string;
  /** How often each client comes back. */
  readonly reconnected: number;
  /** While clients rest: what starts then takes less time. */
  readonly prepares?: () => Promise<unknown>;
  readonly happens: () => Promise<unknown>;
}

const releases = ["2", "3", "4", "5", "6"];
/** Those that run and have said so. */
const readyWorkers = () => system.live("worker").filter(({ pid }) => system.workerHellos.some((hello) => hello.pid === pid)).length;

async function killWorker(): Promise<void> {
  await watch.underWay();
  await system.live("worker")[0]?.end("SIGKILL");
  await watch.passes(gateways());
}

const happenings: readonly Happening[] = [
  {
    title: "five deploys",
    reconnected: 0,
    prepares: async () => {
      for (const release of releases) await system.standBy(release, { workers: release === releases.at(-1) ? 2 : 1 });
    },
    happens: async () => {
      const workers = system.live("worker");
      for (const release of releases) {
        await watch.underWay();
        await system.activate(release);
        // The one before drains: two of release 1, and one of each other.
        await Promise.all(workers.splice(0, release === releases[0] ? 2 : 1).map((worker) => worker.end()));
        await watch.passes(gateways());
      }
    },
  },
  {
    title: "kill -9 of each worker",
    reconnected: 0,
    prepares: async () => system.keepWorkers(),
    happens: async () => {
      await killWorker();
      await watch.rest();
      await system.until(() => readyWorkers() === 2, "another worker is started");
      watch.work();
      await watch.passes(gateways());
      await killWorker();
    },
  },
  { title: "NATS killed and started again", reconnected: 0, happens: () => watch.underWay().then(() => system.restartNats()) },
  {
    title: "the gateway killed and started again",
    reconnected: 1,
    happens: async () => {
      await watch.underWay();
      const gone = gateways()[0] ?? "";
      await system.live("gateway")[0]?.end("SIGKILL");
      system.say({ kind: "gone", id: gone, reason: "exited" });
      system.startGateway();
      await system.until(() => gateways().length === 1, "another gateway serves");
    },
  },
];

describe.each(happenings)("$title", ({ prepares, happens, reconnected }) => {
  beforeAll(async () => {
    before = after;
    await prepares?.();
    watch.work();
    await watch.passes(gateways());
    await happens();
    await watch.passes(gateways());
    after = await watch.rest();
  });

  test.for(names)("%s", (name, { skip }) => {
    if (missing.has(name)) return skip("needs Python's websockets and Autobahn: apt-get install python3-websockets python3-autobahn");
    const [then, now] = [before, after].map((figures) => figures.find(({ client }) => client === name));
    if (then === undefined || now === undefined) throw new Error(`${name} is not among ${after.map(({ client }) => client)}`);
    expect(now.sent).toBeGreaterThanOrEqual(then.sent + 16);
    expect(now).toMatchObject({ lost: 0, doubled: 0, reordered: 0, reconnected: then.reconnected + reconnected });
  });
});

test("none was disconnected, or was answered with an error, while its gateway ran", () => {
  expect(watch.close()).toEqual([]);
});

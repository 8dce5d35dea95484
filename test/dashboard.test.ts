// The dashboard of a running installation, by what its stream tells: a deploy, an error and a rollback as they happen, and its gateway's end.

import { afterEach, expect, test } from "vitest";
import type { ErrorRow } from "../gateway/dashboard/known-errors.ts";
import type { Snapshot } from "../gateway/dashboard/snapshot.ts";
import type { DeployProgress } from "../protocol/deploy-progress.ts";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { TestClient } from "./client.ts";
import { Installation } from "./installation.ts";

/** As many addresses that throw end a watch early. */
const clients = 10;
const file = "worker/handlers/version.ts";

let installation: Installation;
let viewer: Viewer;
let talking: NodeJS.Timeout;

afterEach(async () => {
  clearInterval(talking);
  viewer.leave();
  await installation.end();
});

/** Somebody who looks. */
class Viewer {
  readonly snapshots: Snapshot[] = [];
  deploys: readonly DeployProgress[] = [];
  errors: readonly ErrorRow[] = [];
  hasEnded = false;
  private readonly signal = new Signal();
  private readonly leaving = new AbortController();

  constructor(url: string) {
    void this.look(url).catch(() => undefined);
  }

  get latest(): Snapshot | undefined {
    return this.snapshots.at(-1);
  }

  until(isSo: () => boolean, what: string): Promise<void> {
    const seen = () => `${what}:\n${JSON.stringify([this.latest, this.deploys, this.errors])}`;
    return this.signal.until(isSo, seen, patienceMs);
  }

  leave(): void {
    this.leaving.abort();
  }

  private async look(url: string): Promise<void> {
    try {
      const { body } = await fetch(`${url}/dashboard/events`, { signal: this.leaving.signal });
      let text = "";
      for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const events = (text + chunk).split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) this.hear(event);
        this.signal.tell();
      }
    } finally {
      this.hasEnded = true;
      this.signal.tell();
    }
  }

  private hear(event: string): void {
    const [, name, data = ""] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
    if (name === "snapshot") this.snapshots.push(JSON.parse(data));
    if (name === "deploys") this.deploys = JSON.parse(data);
    if (name === "errors") this.errors = JSON.parse(data);
  }
}

function handler(version: string, onMessage = ""): string {
  return `import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/version",
  onMessage(conn, message) {
    ${onMessage}
    conn.send("${version} " + message.text());
  },
  onError(conn) {
    conn.send("error");
  },
});
`;
}

test("a deploy, an error with its place and a rollback are seen as they happen, and again after the gateway's end", async () => {
  installation = await Installation.cloned({ WATCH_MS: "20000", DEMOS: "0", TRUSTED_PROXIES: "127.0.0.1" });
  installation.write(file, handler("one"));
  const start = installation.start();
  const ready = await start.line(/^ready ws:/);
  const url = (await start.line(/^dashboard http:/)).replace(/^dashboard (.*)\/$/, "$1");
  viewer = new Viewer(url);
  const talkers = await Promise.all(
    Array.from({ length: clients }, (_, index) => {
      const headers = { "x-forwarded-for": `192.0.2.${index}` };
      return TestClient.open(`${ready.replace("ready ", "")}/version`, { headers });
    }),
  );
  let number = 0;
  talking = setInterval(() => {
    for (const talker of talkers) if (talker.isOpen) talker.send(String(number++));
  }, 20);

  const has = (release: string | null | undefined) => viewer.latest?.releases[release ?? ""] ?? 0;
  await viewer.until(() => has(viewer.latest?.release) === clients, "all clients are with the first release");
  const first = viewer.latest?.release;
  const before = viewer.snapshots.length;
  await viewer.until(() => (viewer.latest?.inPerSecond ?? 0) > 10, "messages are counted");

  installation.write(file, handler("two"));
  const deploy = installation.command(["deploy-worker"]);
  await viewer.until(() => viewer.deploys[0]?.steps.at(-1)?.text.startsWith("watching release") === true, "the deploy is watched");
  await viewer.until(() => viewer.latest?.release !== first && has(viewer.latest?.release) === clients, "all have moved");
  const second = viewer.latest?.release;
  expect(has(first)).toBe(0);
  expect(viewer.latest).toMatchObject({ handover: { handedOver: clients, remaining: 0 } });
  expect(viewer.latest?.workers.rows.map(({ release, state }) => [release, state])).toContainEqual([first, "standby"]);
  expect(new Set(viewer.snapshots.slice(before).map(({ connections }) => connections))).toEqual(new Set([clients]));
  const steps = viewer.deploys[0]?.steps.map(({ text, state }) => [text.split(" ")[0], state]);
  expect(steps).toContainEqual(["checking", "done"]);
  expect(steps?.at(-1)).toEqual(["watching", "running"]);
  expect((await installation.run("rollback-worker")).exitCode).toBe(0);
  await deploy.exited;
  await viewer.until(() => viewer.deploys[0]?.outcome?.kind === "rolledBack", "a rollback that was asked for");
  await viewer.until(() => viewer.latest?.release === first && has(first) === clients && has(second) === 0, "all have moved back");

  installation.write(file, handler("three", 'if (Number(message.text()) % 3 === 0) throw new Error("no luck");'));
  expect((await installation.run("deploy-worker")).exitCode).toBe(1);
  await viewer.until(
    () => viewer.deploys[0]?.outcome?.text.includes("its turns throw clearly more often") === true,
    "why it was rolled back",
  );
  await viewer.until(() => viewer.errors.length > 0, "its errors");
  expect(viewer.errors).toMatchObject([{ message: "no luck", place: expect.stringMatching(/^worker\/handlers\/version\.ts:6:\d+$/) }]);
  expect(viewer.errors[0]?.about).toMatchObject({ route: "/version", hook: "onMessage" });

  const { gateways } = await installation.status();
  process.kill(gateways[0]?.pid ?? 0, "SIGKILL");
  await viewer.until(() => viewer.hasEnded, "the stream ends with its gateway");
  await expect
    .poll(
      () =>
        fetch(`${url}/healthz`)
          .then(({ status }) => status)
          .catch(() => 0),
      { timeout: patienceMs },
    )
    .toBe(200);
  viewer = new Viewer(url);
  await viewer.until(() => viewer.latest?.release === first && viewer.deploys.length === 2, "the next gateway tells the same");
  expect(viewer.deploys.map(({ outcome }) => outcome?.kind)).toEqual(["rolledBack", "rolledBack"]);
});

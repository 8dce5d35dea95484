// The same on Debian 13, whose systemd and nats-server are newer: installed, deployed to, and removed.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Load } from "../../scripts/chaos/load.ts";
import { tally } from "../../scripts/chaos/tally.ts";
import { whyNoMachines } from "./image.ts";
import { Installed } from "./installed.ts";

const stepMs = 120_000;
const missing = whyNoMachines();

describe.skipIf(missing !== undefined)(`Debian 13${missing === undefined ? "" : ` (${missing})`}`, () => {
  let installed: Installed;

  beforeAll(async () => {
    installed = await Installed.boot("trixie");
  }, 300_000);

  afterAll(() => installed?.stop(), stepMs);

  test("installs", { timeout: stepMs }, () => installed.install());

  test("each sandbox is rated 2.0 or better", async () => {
    for (const unit of await installed.kinds()) expect(await installed.exposure(unit)).toBeLessThanOrEqual(2);
  });

  test("a deploy and restarts under load cost no client anything", { timeout: stepMs }, async () => {
    const { machine, url } = installed;
    const load = await Load.open({ url, connections: 100, rate: 500 });
    load.begin();
    await installed.deploy();
    await load.flows();
    await machine.run("systemctl", "restart", "thinstate-workers.target");
    await load.flows();
    await machine.run("systemctl", "restart", "thinstate-nats");
    await load.flows();
    load.stop();
    await load.settle();
    expect(tally(load, new Set())).toMatchObject({ lost: 0, doubled: 0, reordered: 0, disconnected: 0, broken: [] });
    await load.close();
  });

  test("uninstalls, and leaves nothing behind", { timeout: stepMs }, () => installed.uninstall());
});

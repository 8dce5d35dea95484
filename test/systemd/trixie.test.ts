// The same on Debian 13 with Node 24, where systemd and nats-server are newer: installed, deployed to, and removed.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Load } from "../../scripts/chaos/load.ts";
import { tally } from "../../scripts/chaos/tally.ts";
import { whySkipped } from "./image.ts";
import { Installed } from "./installed.ts";

const missing = whySkipped();

describe.skipIf(missing !== undefined)(`Debian 13${missing === undefined ? "" : ` (${missing})`}`, () => {
  let installed: Installed;

  beforeAll(async () => {
    installed = await Installed.boot("trixie");
  });

  afterAll(() => installed?.stop());

  test("installs", () => installed.install());

  test("each sandbox is rated 2.0 or better", async () => {
    for (const unit of await installed.kinds()) expect(await installed.exposure(unit)).toBeLessThanOrEqual(2);
  });

  test("a deploy and restarts under load cost no client anything", async () => {
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

  test("uninstalls, and leaves nothing behind", () => installed.uninstall());
});

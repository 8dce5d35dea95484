// The same on Debian 13 with Node 24, where systemd and nats-server are newer: installed, deployed to, and removed.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Load } from "../../chaos/load.ts";
import { tally } from "../../chaos/tally.ts";
import { TestClient } from "../client.ts";
import { whySkipped } from "./image.ts";
import { Installed, until } from "./installed.ts";

const missing = whySkipped();

describe.skipIf(missing !== undefined)(`Debian 13${missing === undefined ? "" : ` (${missing})`}`, () => {
  let installed: Installed;

  beforeAll(async () => {
    installed = await Installed.boot("trixie");
  });

  afterAll(() => installed?.stop());

  test("installs", () => installed.install());

  test("no sandbox is rated worse than it was", async () => {
    const [nats, gateway, worker] = await Promise.all((await installed.kinds()).map((unit) => installed.exposure(unit)));
    expect(nats).toBeLessThanOrEqual(1.1);
    expect(gateway).toBeLessThanOrEqual(1.6);
    expect(worker).toBeLessThanOrEqual(1.3);
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

  test("a release has what its trial has compiled, and its workers cannot change it", async () => {
    const find = (...conditions: string[]) =>
      installed.machine.run("sh", "-c", 'find /var/lib/thinstate/releases/*/.thinstate/compiled "$@"', "sh", ...conditions);
    expect((await find("-type", "f", "-perm", "644", "-user", "root")).split("\n").length).toBeGreaterThan(100);
    expect(await find("(", "!", "-user", "root", "-o", "-perm", "/022", ")")).toBe("");
  });

  test("larger messages are let in without a disconnect: NATS is told by install-service, the rest by a reload", async () => {
    const { machine, url } = installed;
    const load = await Load.open({ url, connections: 100, rate: 500 });
    load.begin();
    Object.assign(machine.environment, { MESSAGE_BYTES: "2000000", EFFECTS_BYTES: "3000000" });
    expect(await machine.npm("install-service")).toMatchObject({ exitCode: 0 });
    expect(await machine.run("cat", "/etc/thinstate/nats-server.conf")).toMatch(/^max_payload: 3004096$/m);
    // Refused until all have met the NATS that was just started again.
    const reload = async () => (await machine.try("systemctl", "reload", "thinstate-*@*")).exitCode === 0;
    await until(reload, "all take the larger sizes");
    const readAgain = async () => (await machine.journal()).split('"msg":"settings were read again"').length - 1;
    await until(async () => (await readAgain()) >= 4, "gateways and workers read their settings again");
    const client = await TestClient.open(`${url}/sequence/large`);
    const text = "large ".repeat(300_000);
    client.send(text);
    await client.receives(2);
    expect(client.received[1]).toBe(`answer ${text} 1 first`);
    await client.close();
    await load.flows();
    load.stop();
    await load.settle();
    expect(tally(load, new Set())).toMatchObject({ lost: 0, doubled: 0, reordered: 0, disconnected: 0, broken: [] });
    await load.close();
  });

  test("uninstalls, and leaves nothing behind", () => installed.uninstall());
});

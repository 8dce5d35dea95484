// Who tells gateways which release is active, where no supervisor runs beside them.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { writeActivation } from "../process/activation-file.ts";
import { encodeAnnouncement } from "../protocol/membership.ts";
import { TestClient } from "./client.ts";
import * as hellos from "./hellos.ts";
import { joinOperator } from "./operator.ts";
import { type SystemOptions, type TestProcess, TestSystem } from "./system.ts";

/** Nobody has activated anything. */
async function start(options: SystemOptions = {}): Promise<TestSystem> {
  const system = await TestSystem.start({ workers: 0, ...options });
  onTestFinished(() => system.stop());
  return system;
}

test("services: what a deploy has recorded, and told nobody since it was killed, is active all the same, also on a new gateway", async () => {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-activation-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const record = join(folder, "activation.json");
  const system = await start({ environment: { ACTIVATION_FILE: record } });
  const client = new TestClient(`${system.url}/echo`);
  const serves = (generation: number, gateway?: TestProcess) =>
    system.until(
      () =>
        system.gatewayHellos.some(
          ({ pid, serving, activation }) => pid === (gateway?.pid ?? pid) && serving && activation?.generation === generation,
        ),
      `a gateway serves generation ${generation}`,
    );
  await system.standBy("1");
  writeActivation(record, { release: "1", generation: 1 });
  await serves(1);
  await client.opened();
  await system.standBy("2");
  writeActivation(record, { release: "2", generation: 2 });
  await serves(2);
  client.send("hello");
  await client.receives(1);
  await client.close();

  for (const gateway of system.live("gateway")) await gateway.end();
  await serves(2, system.startGateway());
});

test("a gateway that nobody tells lets clients wait, whatever workers say, and serves when an operator is there", async () => {
  const system = await start();
  await system.standBy("1");
  const client = new TestClient(`${system.url}/echo`);
  await system.until(() => system.gatewayHellos.some(({ parked }) => parked === 1), "the client waits");

  // Somebody hears what gateways send to this one: else it would be forgotten at once.
  system.bus.subscribe(system.subjects.link("w2"), () => undefined);
  await system.bus.flush();
  const activation = { release: "1", generation: 1 };
  system.bus.publish(system.subjects.membersFromWorkers, encodeAnnouncement({ ...hellos.worker, id: "w2", activation }));
  const hasHeard = () => system.gatewayHellos.filter(({ pins }) => pins.w2 !== undefined);
  await system.until(() => hasHeard().length > 0, "the gateway has heard it");
  expect(hasHeard().map(({ serving, activation: believed, parked }) => [serving, believed, parked])).toEqual([[false, undefined, 1]]);

  const { membership } = await joinOperator(system.nats.url, "thinstate");
  onTestFinished(() => membership.leave());
  membership.announce(activation);
  await client.opened();
  expect(client.isOpen).toBe(true);
  await client.close();
});

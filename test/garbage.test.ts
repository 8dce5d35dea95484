// Bytes that nobody of ours sends, on every subject of ours: counted, logged, nothing else happens.

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeAnnouncement } from "../protocol/membership.ts";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

beforeAll(async () => {
  system = await TestSystem.start();
});

afterAll(() => system.stop());

test("garbage on every subject is counted and logged, and clients notice nothing", async () => {
  const client = await TestClient.open(`${system.url}/script/garbage`);
  client.send([
    { do: "subscribe", topic: "g" },
    { do: "send", data: { in: true } },
  ]);
  await client.receives(1);
  const { bus, subjects } = system;
  const targets = [
    subjects.members,
    subjects.membersFromWorkers,
    subjects.topicFromGateways("g"),
    subjects.repair,
    ...system.gatewayHellos.flatMap(({ id }) => [
      subjects.link(id),
      subjects.linkFromWorkers(id),
      subjects.repairedTopic(id, "g"),
      subjects.unheard(id, "w0"),
    ]),
    ...system.workerHellos.map(({ id }) => subjects.link(id)),
  ];
  const foreignVersion = encodeAnnouncement({ kind: "ask" });
  foreignVersion[0] = 99;
  const foreignBatch = Buffer.concat([Buffer.from([99, 0x42]), randomBytes(40)]);
  const broken = Buffer.concat([Buffer.from([1, 0x42]), randomBytes(40)]);
  const samples = [new Uint8Array(0), randomBytes(3), randomBytes(2_000), foreignVersion, foreignBatch, broken, Buffer.from("hello")];
  for (const subject of targets) for (const sample of samples) bus.publish(subject, sample);
  await bus.flush();
  for (let index = 0; index < 20; index++) client.send([{ do: "send", data: index }]);
  await client.receives(21);
  expect(client.values.slice(1)).toEqual(Array.from({ length: 20 }, (_, index) => index));

  const { counters } = await system.status();
  // Seven samples on each of eight subjects. Both of members, the topic, repaired and both links each hear one of another version.
  expect(counters.faults).toEqual({ "envelope.malformed": 50, "envelope.version": 6 });
  for (const { name, output } of system.processes) expect(output, name).toContain("refused what came over NATS");
  expect(client.isOpen).toBe(true);
  await client.close();
});

// Batches over NATS, with a gateway's rights: to workers from what seems to be a gateway, to the gateway from what seems to be a
// worker, and bytes that are nearly a batch.

import fc from "fast-check";
import { BatchBuilder } from "../../protocol/envelope.ts";
import { toGateway, toWorker } from "../../protocol/records.ts";
import { Peer } from "../peer.ts";
import { madeUpRecord } from "../records.ts";
import type { Scene } from "../scene.ts";
import { target } from "../target.ts";

const most = 20;
const isReborn = fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true));
/** For as long as the scene: what they send is told apart by the life of their links. */
const peers = new WeakMap<Scene, { readonly gateway: Peer; readonly worker: Peer }>();

function peersOf(scene: Scene) {
  const known = peers.get(scene);
  if (known !== undefined) return known;
  const made = { gateway: Peer.gateway(scene), worker: Peer.worker(scene) };
  peers.set(scene, made);
  scene.onClose(() => {
    made.gateway.end();
    made.worker.end();
  });
  return made;
}

/** Opens and messages are only read where there is a pin: there is one, now and then. */
const forWorkers = [toWorker.pin, toWorker.pin, ...Object.values(toWorker)].filter((type) => type !== toWorker.gatewayLost);

export const toWorkers = target({
  name: "to-workers",
  title: "batches to a worker, from what seems to be a gateway",
  cases: 100,
  arbitrary: fc.record({
    worker: fc.nat({ max: 7 }),
    isReborn,
    records: fc.array(madeUpRecord(forWorkers, false), { minLength: 1, maxLength: most }),
  }),
  strike: async (scene, { worker, isReborn: reborn, records }) => {
    const { workerIds } = scene;
    await peersOf(scene).gateway.send(workerIds[worker % workerIds.length] ?? "", reborn, records);
  },
});

export const toGateways = target({
  name: "to-gateways",
  title: "batches to a gateway, from what seems to be a worker, which name others' connections",
  cases: 100,
  arbitrary: fc.record({ isReborn, records: fc.array(madeUpRecord(Object.values(toGateway), true), { minLength: 1, maxLength: most }) }),
  strike: async (scene, { isReborn: reborn, records }) => peersOf(scene).worker.send(scene.gatewayId, reborn, records),
});

const damage = fc.record({
  /** Of all bytes; what is written there. */
  flips: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat({ max: 255 })), { maxLength: 8 }),
  cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  more: fc.uint8Array({ maxLength: 20 }),
});

export const damaged = target({
  name: "damaged",
  title: "batches with bytes changed, cut off or added, on every subject of gateways",
  cases: 200,
  arbitrary: fc.record({
    subject: fc.constantFrom(
      "worker",
      "gateway",
      "topic",
      "again",
      "repair",
      "repaired",
      "asked",
      "answered",
      "scrape",
      "scraped",
      "unheard",
    ),
    records: fc.array(madeUpRecord([...Object.values(toWorker), ...Object.values(toGateway)], false), { minLength: 1, maxLength: 5 }),
    from: fc.constantFrom("fuzzgateway", "fuzz-worker", ""),
    damage,
  }),
  strike: async (scene, { subject, records, from, damage: { flips, cut, more } }) => {
    const builder = new BatchBuilder();
    for (const { payload, stolen: _, ...head } of records) builder.append(head, payload);
    const sealed = builder.seal({ from, to: scene.gatewayId, session: 1, peerSession: 0, seq: 1, ack: 0, gap: false });
    const bytes = Buffer.from(sealed.subarray(0, cut === undefined ? sealed.length : Math.floor(cut * sealed.length)));
    for (const [place, byte] of flips) bytes[Math.floor(place * bytes.length)] = byte;
    scene.bus.publish(subjectOf(scene, subject), Buffer.concat([bytes, more]));
    await scene.bus.flush();
  },
});

function subjectOf({ subjects, gatewayId, workerIds }: Scene, name: string): string {
  switch (name) {
    case "worker":
      return subjects.link(workerIds[0] ?? "");
    case "gateway":
      return subjects.link(gatewayId);
    case "topic":
      return subjects.topicFromGateways("fuzz");
    case "again":
      return subjects.topicAgain("fuzz");
    case "repair":
      return subjects.repair;
    case "repaired":
      return subjects.repairedTopic(gatewayId, "fuzz");
    case "asked":
      return subjects.asked(gatewayId);
    case "answered":
      return subjects.answered(gatewayId);
    case "scrape":
      return subjects.scrape;
    case "scraped":
      return subjects.scraped(gatewayId);
    default:
      return subjects.unheard(gatewayId, "fuzz-worker");
  }
}

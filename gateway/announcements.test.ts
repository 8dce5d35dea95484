import { beforeEach, expect, test } from "vitest";
import type { BusMessage } from "../protocol/bus.ts";
import { type Announcement, encodeAnnouncement } from "../protocol/membership.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { gateway, worker } from "../test/hellos.ts";
import { Announcements } from "./announcements.ts";

let told: string[];
let generation: number;
let isPresent: boolean;
const listeners = new Map<string, (message: BusMessage) => void>();
let announcements: Announcements;

beforeEach(() => {
  told = [];
  generation = 0;
  isPresent = true;
  const hears = (part: string) => ({ hear: ({ kind }: Announcement) => void told.push(`${part} hears ${kind}`) });
  announcements = new Announcements({
    bus: {
      subscribe: (subject, hear) => {
        listeners.set(subject, hear);
        return { unsubscribe: () => listeners.delete(subject) };
      },
    },
    subjects: subjectsOf("test"),
    dispatcher: {
      activate: (activation) => {
        const isNews = activation.generation > generation;
        generation = Math.max(generation, activation.generation);
        return isNews;
      },
    },
    workers: { ...hears("workers"), gone: (id, reason) => void told.push(`${id} is gone: ${reason}`) },
    peers: hears("peers"),
    lostGateways: hears("lostGateways"),
    topics: hears("topics"),
    presence: {
      announce: () => void told.push("announces"),
      get isPresent() {
        return isPresent;
      },
    },
    log: { info: () => told.push("logs") },
  });
  announcements.begin();
});

const { members, membersFromWorkers } = subjectsOf("test");

function say(announcement: Announcement, subject = members): string[] {
  told = [];
  listeners.get(subject)?.({ payload: encodeAnnouncement(announcement) } as BusMessage);
  // Three parts hear everything.
  return told.filter((text) => !/^(peers|topics|lostGateways) /.test(text));
}

test("each goes to the part that it is for, and all of them to those that watch other gateways", () => {
  expect(say({ kind: "ask" })).toEqual(["announces"]);
  expect(told).toEqual(["peers hears ask", "topics hears ask", "lostGateways hears ask", "announces"]);
  for (const subject of [members, membersFromWorkers]) expect(say(worker, subject)).toEqual(["workers hears worker"]);
  expect(say({ kind: "gone", id: "w1", reason: "exited" })).toEqual(["w1 is gone: exited"]);
  expect(say(gateway)).toEqual([]);
});

test("an activation is taken from operators and gateways, and is passed on at once where it is news", () => {
  const activation = { release: "2", generation: 2 };
  for (const subject of [members, membersFromWorkers]) expect(say({ ...worker, activation }, subject)).toEqual(["workers hears worker"]);
  expect(say({ kind: "activate", activation })).toEqual(["logs", "announces"]);
  expect(say({ kind: "activate", activation })).toEqual([]);
  expect(say({ ...gateway, activation: { release: "3", generation: 3 } })).toEqual(["logs", "announces"]);
  expect(say({ kind: "activate", activation })).toEqual([]);
  // The operator's record.
  told = [];
  announcements.activate({ release: "4", generation: 4 });
  announcements.activate({ release: "4", generation: 4 });
  expect(told).toEqual(["logs", "announces"]);
  expect(generation).toBe(4);
});

test("a worker of another protocol is not heard, and tells no activation", () => {
  expect(say({ ...worker, protocol: worker.protocol + 1, activation: { release: "2", generation: 2 } })).toEqual([]);
  expect(generation).toBe(0);
});

test("a worker speaks of workers only: it activates nothing, is no gateway, and ends none", () => {
  const activation = { release: "2", generation: 2 };
  for (const forged of [
    { kind: "activate" as const, activation },
    { ...gateway, activation },
    { kind: "checkStates" as const, worker: "w1", number: 1, gateways: [] },
  ]) {
    expect(() => say(forged, membersFromWorkers)).toThrow(`a worker may not announce ${forged.kind}`);
    expect(told).toEqual([]);
  }
  say({ kind: "gone", id: gateway.id, reason: "exited" }, membersFromWorkers);
  expect(told).toEqual([`${gateway.id} is gone: exited`]);
});

test("at the end nobody is heard or answered any more", () => {
  announcements.end();
  expect(say({ kind: "ask" })).toEqual([]);
  expect(told).toEqual([]);
});

test("no worker is met before the gateway has said hello itself: then all are asked", () => {
  isPresent = false;
  expect(say(worker)).toEqual([]);
  isPresent = true;
  expect(say(worker)).toEqual(["workers hears worker"]);
});

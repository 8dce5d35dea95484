import { beforeEach, expect, test } from "vitest";
import type { BusMessage } from "../protocol/bus.ts";
import { type Announcement, encodeAnnouncement } from "../protocol/membership.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { gateway, worker } from "../test/hellos.ts";
import { Announcements } from "./announcements.ts";

let told: string[];
const listeners = new Map<string, (message: BusMessage) => void>();
let announcements: Announcements;

beforeEach(() => {
  told = [];
  announcements = new Announcements({
    id: "w",
    bus: {
      subscribe: (subject, hear) => {
        listeners.set(subject, hear);
        return { unsubscribe: () => listeners.delete(subject) };
      },
    },
    subjects: subjectsOf("test"),
    gateways: {
      hearHello: ({ id }) => void told.push(`gateways hear ${id}`),
      lose: (id, reason, isDead) => void told.push(`${id} is lost: ${reason} ${isDead}`),
    },
    speech: {
      hear: ({ id }) => void told.push(`speech hears ${id}`),
      forget: (id) => void told.push(`speech forgets ${id}`),
    },
    tasks: { activated: () => undefined, gone: () => undefined },
    onStart: {
      activated: ({ generation }) => void told.push(`onStart activated ${generation}`),
      hear: ({ id }) => void told.push(`onStart hears ${id}`),
      hearGateway: ({ id }) => void told.push(`onStart hears ${id}`),
      forget: (id) => void told.push(`onStart forgets ${id}`),
    },
    stateCheck: { begin: (number) => void told.push(`checks states ${number}`) },
    presence: { announce: () => void told.push("announces") },
  });
  announcements.begin();
});

const { members, membersFromWorkers } = subjectsOf("test");

function say(announcement: Announcement, subject = members): string[] {
  told = [];
  listeners.get(subject)?.({ subject, payload: encodeAnnouncement(announcement), isUnheard: false, header: () => undefined });
  return told;
}

test("each announcement goes to the parts that it is for", () => {
  expect(say({ kind: "ask" })).toEqual(["announces"]);
  expect(say({ kind: "gone", id: "g", reason: "exited" })).toEqual(["g is lost: exited true", "speech forgets g", "onStart forgets g"]);
  expect(say({ kind: "checkStates", worker: "w", number: 3, gateways: [] })).toEqual(["checks states 3"]);
  expect(say({ kind: "checkStates", worker: "another", number: 4, gateways: [] })).toEqual([]);
  announcements.end();
  expect(say({ kind: "ask" })).toEqual([]);
});

test("onStart is told of an activation after the gateway that says it, and of none that a worker says", () => {
  const activation = { release: "1", generation: 1 };
  for (const subject of [members, membersFromWorkers]) expect(say({ ...worker, activation }, subject)).toEqual(["onStart hears w1"]);
  expect(say({ ...gateway, activation })).toEqual(["speech hears g1", "gateways hear g1", "onStart hears g1", "onStart activated 1"]);
});

test("the latest activation counts, whoever repeats an earlier one", () => {
  say({ kind: "activate", activation: { release: "2", generation: 2 } });
  expect(say({ kind: "activate", activation: { release: "1", generation: 1 } })).toEqual(["onStart activated 2"]);
  expect(announcements.activation).toEqual({ release: "2", generation: 2 });
});

test("a worker speaks of workers only: it is no gateway, and ends none", () => {
  expect(() => say(gateway, membersFromWorkers)).toThrow("a worker may not announce gateway");
  expect(told).toEqual([]);
  expect(say({ kind: "gone", id: "g1", reason: "exited" }, membersFromWorkers)).toEqual(["onStart forgets g1"]);
});

import { beforeEach, expect, test } from "vitest";
import type { BusMessage } from "../protocol/bus.ts";
import { type Announcement, encodeAnnouncement } from "../protocol/membership.ts";
import { gateway, worker } from "../test/hellos.ts";
import { Announcements } from "./announcements.ts";

let told: string[];
let listener: ((message: BusMessage) => void) | undefined;
let announcements: Announcements;

beforeEach(() => {
  told = [];
  announcements = new Announcements({
    id: "w",
    bus: {
      subscribe: (_subject, hear) => {
        listener = hear;
        return {
          unsubscribe: () => {
            listener = undefined;
          },
        };
      },
    },
    subject: "members",
    gateways: {
      hear: (id) => void told.push(`gateways hear ${id}`),
      lose: (id, reason, isDead) => void told.push(`${id} is lost: ${reason} ${isDead}`),
    },
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

function say(announcement: Announcement): string[] {
  told = [];
  listener?.({ subject: "members", payload: encodeAnnouncement(announcement), isUnheard: false, header: () => undefined });
  return told;
}

test("each announcement goes to the parts that it is for", () => {
  expect(say({ kind: "ask" })).toEqual(["announces"]);
  expect(say({ kind: "gone", id: "g", reason: "exited" })).toEqual(["g is lost: exited true", "onStart forgets g"]);
  expect(say({ kind: "checkStates", worker: "w", number: 3, gateways: [] })).toEqual(["checks states 3"]);
  expect(say({ kind: "checkStates", worker: "another", number: 4, gateways: [] })).toEqual([]);
  announcements.end();
  expect(say({ kind: "ask" })).toEqual([]);
});

test("onStart is told of an activation before the worker that says it, and after a gateway", () => {
  const activation = { release: "1", generation: 1 };
  expect(say({ ...worker, activation })).toEqual(["onStart activated 1", "onStart hears w1"]);
  expect(say({ ...gateway, activation })).toEqual(["gateways hear g1", "onStart hears g1", "onStart activated 1"]);
});

test("the latest activation counts, whoever repeats an earlier one", () => {
  say({ kind: "activate", activation: { release: "2", generation: 2 } });
  expect(say({ kind: "activate", activation: { release: "1", generation: 1 } })).toEqual(["onStart activated 2"]);
  expect(announcements.activation).toEqual({ release: "2", generation: 2 });
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Bus } from "./bus.ts";
import { type Announcement, decodeAnnouncement, heartbeatMs } from "./membership.ts";
import { Presence } from "./presence.ts";

let said: string[];
let stage: string;
let presence: Presence;

function brief(announcement: Announcement): string {
  return "id" in announcement ? `${announcement.kind} ${announcement.id}` : announcement.kind;
}

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  said = [];
  stage = "1";
  const bus: Pick<Bus, "publish" | "connected"> = {
    connected: true,
    publish: (_, payload) => said.push(brief(decodeAnnouncement(payload))),
  };
  presence = new Presence({
    id: "a",
    bus,
    subjects: () => ["members"],
    now: Date.now,
    hello: () => ({ kind: "activate", activation: { release: "1", generation: 1 } }),
    stage: () => stage,
    limits: { fenceMs: 5 * heartbeatMs },
  });
});
afterEach(() => vi.useRealTimers());

test("a member asks and says hello when it begins, then with each heartbeat", () => {
  presence.begin();
  expect(said).toEqual(["ask", "activate"]);
  vi.advanceTimersByTime(3 * heartbeatMs);
  expect(said.slice(2)).toEqual(["activate", "activate", "activate"]);
});

test("it says nothing before it begins, and nothing after its last word", () => {
  presence.announce();
  presence.announceSoon();
  vi.advanceTimersByTime(heartbeatMs);
  expect(said).toEqual([]);
  presence.begin();
  presence.announceSoon();
  expect(presence.hasLeft).toBe(false);
  presence.leave();
  expect(said).toEqual(["ask", "activate", "gone a"]);
  presence.say({ kind: "ask" });
  presence.announceSoon();
  vi.advanceTimersByTime(heartbeatMs);
  expect([said.length, presence.hasLeft]).toEqual([3, true]);
});

test("what others wait for is told within 20 ms, and what changes together once", () => {
  presence.begin();
  presence.announceSoon();
  presence.announceSoon();
  vi.advanceTimersByTime(20);
  expect(said.slice(2)).toEqual(["activate"]);
  stage = "2";
  vi.advanceTimersByTime(20);
  expect(said.slice(3)).toEqual(["activate"]);
  vi.advanceTimersByTime(100);
  expect(said).toHaveLength(4);
});

test("one that was silent for too long may have been given up, and for ten seconds after it has spoken again", () => {
  presence.begin();
  // The process stands still: its timers are late.
  vi.setSystemTime(5 * heartbeatMs);
  expect(presence.mayBeForgotten).toBe(false);
  vi.setSystemTime(5 * heartbeatMs + 1);
  expect(presence.mayBeForgotten).toBe(true);
  vi.advanceTimersByTime(heartbeatMs);
  const spokenAt = Date.now();
  vi.advanceTimersByTime(9_999);
  expect([presence.mayBeForgotten, Date.now() - spokenAt]).toEqual([true, 9_999]);
  vi.advanceTimersByTime(1);
  expect(presence.mayBeForgotten).toBe(false);
});

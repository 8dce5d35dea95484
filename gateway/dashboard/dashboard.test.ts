import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Announcement } from "../../protocol/membership.ts";
import { gateway, worker } from "../../test/hellos.ts";
import { Dashboard } from "./dashboard.ts";

let hear: ((announcement: Announcement) => void) | undefined;
let asked: number;
let hasNats: boolean;
let dashboard: Dashboard;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, hasNats, hear] = [0, true, undefined];
  dashboard = new Dashboard({
    hello: () => ({ ...gateway, connections: 2, pins: { w1: 2 } }),
    hasNats: () => hasNats,
    listen: (listener) => {
      hear = listener;
      return () => {
        hear = undefined;
      };
    },
    ask: () => asked++,
    onBug: (error) => {
      throw error;
    },
  });
});
afterEach(() => void vi.useRealTimers());

class Viewer {
  readonly writableLength = 0;
  text = "";
  readonly write = (text: string) => {
    this.text += text;
  };
  readonly destroy = () => undefined;

  /** Data of each event of this name. */
  events(name: string): unknown[] {
    return [...this.text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].flatMap(([, kind, data = ""]) =>
      kind === name ? [JSON.parse(data)] : [],
    );
  }
}

test("nothing is heard, asked or counted before somebody looks, and again ten seconds after nobody does", () => {
  expect([hear, vi.getTimerCount()]).toEqual([undefined, 0]);
  const viewer = new Viewer();
  dashboard.join(viewer);
  expect(hear).toBeDefined();
  expect(asked).toBe(1);
  dashboard.leave(viewer);
  vi.advanceTimersByTime(9_900);
  expect(hear).toBeDefined();
  vi.advanceTimersByTime(200);
  expect([hear, vi.getTimerCount()]).toEqual([undefined, 0]);
});

test("one snapshot a second is told to all; who comes later gets the history and the latest at once", () => {
  const [first, second] = [new Viewer(), new Viewer()];
  dashboard.join(first);
  hear?.({ ...worker, id: "w1", release: "3" });
  vi.advanceTimersByTime(3_050);
  dashboard.join(second);
  expect(second.events("history")).toMatchObject([[{ releases: { "3": 2 } }, {}, {}, {}]]);
  expect(second.events("snapshot")).toHaveLength(1);
  vi.advanceTimersByTime(1_000);
  expect(first.events("snapshot")).toHaveLength(5);
  expect(second.events("snapshot")).toHaveLength(2);
  expect(second.events("snapshot").at(-1)).toEqual(first.events("snapshot").at(-1));
});

test("a page that is loaded again within ten seconds finds what the charts had", () => {
  const [first, second] = [new Viewer(), new Viewer()];
  dashboard.join(first);
  vi.advanceTimersByTime(3_050);
  dashboard.leave(first);
  vi.advanceTimersByTime(5_000);
  dashboard.join(second);
  vi.advanceTimersByTime(20_000);
  expect(second.events("history")[0]).toHaveLength(9);
  expect(second.events("snapshot")).toHaveLength(21);
});

test("NATS is away: that is told, nobody is forgotten for it, and all are asked when it is back", () => {
  const viewer = new Viewer();
  dashboard.join(viewer);
  hear?.({ ...worker, id: "w1", release: "3" });
  hasNats = false;
  vi.advanceTimersByTime(30_000);
  expect(viewer.events("snapshot").at(-1)).toMatchObject({ hasNats: false, workers: { rows: [{ id: "w1" }] } });
  expect(asked).toBe(1);
  hasNats = true;
  vi.advanceTimersByTime(1_000);
  expect(viewer.events("snapshot").at(-1)).toMatchObject({ hasNats: true, workers: { rows: [{ id: "w1" }] } });
  expect(asked).toBe(2);
});

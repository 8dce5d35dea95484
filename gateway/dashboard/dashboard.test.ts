import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DeployProgress } from "../../protocol/deploy-progress.ts";
import { gateway, worker } from "../../test/hellos.ts";
import { Dashboard, type DashboardListener } from "./dashboard.ts";

let listener: DashboardListener | undefined;
let asked: number;
let askedErrors: unknown[];
let hasNats: boolean;
let dashboard: Dashboard;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, askedErrors, hasNats, listener] = [0, [], true, undefined];
  dashboard = new Dashboard({
    hello: () => ({ ...gateway, connections: 2, pins: { w1: 2 } }),
    hasNats: () => hasNats,
    listen: (given) => {
      listener = given;
      return () => {
        listener = undefined;
      };
    },
    ask: () => asked++,
    askErrors: (after) => void askedErrors.push(after),
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
  expect([listener, vi.getTimerCount()]).toEqual([undefined, 0]);
  const viewer = new Viewer();
  dashboard.join(viewer);
  expect(listener).toBeDefined();
  expect(asked).toBe(1);
  dashboard.leave(viewer);
  vi.advanceTimersByTime(9_900);
  expect(listener).toBeDefined();
  vi.advanceTimersByTime(200);
  expect([listener, vi.getTimerCount()]).toEqual([undefined, 0]);
});

test("one snapshot a second is told to all; who comes later gets the history and the latest at once", () => {
  const [first, second] = [new Viewer(), new Viewer()];
  dashboard.join(first);
  listener?.hear({ ...worker, id: "w1", release: "3" });
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
  listener?.hear({ ...worker, id: "w1", release: "3" });
  hasNats = false;
  vi.advanceTimersByTime(30_000);
  expect(viewer.events("snapshot").at(-1)).toMatchObject({ hasNats: false, workers: { rows: [{ id: "w1" }] } });
  expect(asked).toBe(1);
  hasNats = true;
  vi.advanceTimersByTime(1_000);
  expect(viewer.events("snapshot").at(-1)).toMatchObject({ hasNats: true, workers: { rows: [{ id: "w1" }] } });
  expect(asked).toBe(2);
});

const deploy: DeployProgress = { id: "d1", what: "deploy", by: "ada", startedAt: 1, steps: [] };
const error = { number: 4, at: 1, text: "failed", message: "no", stack: "", about: {} };

test("steps of a deploy are told as they happen, those that follow at once together", () => {
  const [first, second] = [new Viewer(), new Viewer()];
  dashboard.join(first);
  listener?.hearDeploy(deploy);
  listener?.hearDeploy({ ...deploy, outcome: { kind: "refused", text: "no", at: 2 } });
  vi.advanceTimersByTime(200);
  expect(first.events("deploys")).toEqual([[], [{ ...deploy, outcome: { kind: "refused", text: "no", at: 2 } }]]);
  dashboard.join(second);
  expect(second.events("deploys")).toHaveLength(1);
});

test("workers are asked each second for errors that are not known; those that come, and deaths, are told once", () => {
  const viewer = new Viewer();
  dashboard.join(viewer);
  listener?.hear({ ...worker, id: "w1", release: "3" });
  vi.advanceTimersByTime(200);
  listener?.hearErrors("w1", [error]);
  vi.advanceTimersByTime(2_000);
  expect(askedErrors).toEqual([{}, { w1: 4 }, { w1: 4 }]);
  expect(viewer.events("errors")).toMatchObject([[], [{ text: "failed", release: "3", times: 1 }]]);
  for (const id of ["w1", "w1", "g7"]) listener?.hear({ kind: "gone", id, reason: "exited" });
  vi.advanceTimersByTime(1_000);
  expect(viewer.events("errors").at(-1)).toMatchObject([{ text: "a worker died", release: "3", times: 1 }, { text: "failed" }]);
});

test("a worker that says that turns have thrown is asked for its errors at once", () => {
  dashboard.join(new Viewer());
  const counts = { turns: 9, thrown: 0, timedOut: 0, answers: 0, failed: 0 };
  listener?.hear({ ...worker, id: "w1", counts });
  expect(askedErrors).toEqual([]);
  listener?.hear({ ...worker, id: "w1", counts: { ...counts, thrown: 1 } });
  listener?.hear({ ...worker, id: "w1", counts: { ...counts, thrown: 2 } });
  expect(askedErrors).toEqual([{}]);
});

import { expect, test } from "vitest";
import { withShortWaits } from "./playback.ts";

const version = (atMs: number) => ({ atMs, spans: [] });

test("a long wait is shortened, with the spinner and the tallies in it; everything else keeps its pace", () => {
  const played = withShortWaits(
    {
      pauseMs: 300,
      lengthMs: 12_000,
      movedAtMs: [11_000, 11_100],
      tallies: [0, 6_000, 12_000].map((atMs) => ({ atMs, answered: atMs, wrong: 0, disconnected: 0 })),
      rows: [[version(1_000)], [version(1_000), version(2_000), version(11_000)]],
    },
    2_000,
  );
  expect(played.rows).toEqual([[version(1_000)], [version(1_000), version(1_200), version(3_000)]]);
  expect(played.movedAtMs).toEqual([3_000, 3_100]);
  expect(played.tallies.map(({ atMs }) => atMs)).toEqual([0, 2_000, 4_000]);
  expect(played.lengthMs).toBe(4_000);
});

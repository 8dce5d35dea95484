// Shortens the waits of a recording: a check that takes ten seconds need not take ten in a picture. What is shown keeps its order, and
// steps that say how long they took say the same. Pure.

import type { Recording } from "./picture.ts";

/** @param longestWaitMs between two moments at which something happens; spinners and tallies are nothing. */
export function withShortWaits(recording: Recording, longestWaitMs: number): Recording {
  const { movedAtMs, tallies, rows, lengthMs } = recording;
  const ends = rows.flatMap((versions) =>
    [versions[0], versions.at(-1)].flatMap((version) => (version === undefined ? [] : [version.atMs])),
  );
  const moments = [...new Set([0, ...movedAtMs, ...ends, lengthMs])].sort((a, b) => a - b);
  const played = [0];
  for (const [index, ms] of moments.slice(1).entries()) {
    played.push((played[index] ?? 0) + Math.min(longestWaitMs, ms - (moments[index] ?? 0)));
  }
  const at = (ms: number): number => {
    const next = moments.findIndex((moment) => moment >= ms);
    if (next <= 0) return next === 0 ? 0 : (played.at(-1) ?? 0);
    const [from, to] = [moments[next - 1] ?? 0, moments[next] ?? 0];
    const [playedFrom, playedTo] = [played[next - 1] ?? 0, played[next] ?? 0];
    return playedFrom + ((ms - from) / (to - from)) * (playedTo - playedFrom);
  };
  return {
    ...recording,
    movedAtMs: movedAtMs.map(at),
    tallies: tallies.map((tally) => ({ ...tally, atMs: at(tally.atMs) })),
    rows: rows.map((versions) => versions.map((version) => ({ ...version, atMs: at(version.atMs) }))),
    lengthMs: Math.ceil(at(lengthMs)),
  };
}

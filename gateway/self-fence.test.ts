import { expect, test } from "vitest";
import type { Connection } from "./connection.ts";
import { SelfFence } from "./self-fence.ts";

/** Each slice closes one. */
function fenced(connections: Connection[]) {
  const slices: Array<() => void> = [];
  const closed: Connection[] = [];
  const fence = new SelfFence({
    connections: () => connections,
    now: () => 0,
    later: (run) => void slices.push(run),
    sliceMs: 0,
    close: (connection) => void closed.push(connection),
  });
  return { fence, closed, slice: () => slices.shift()?.() };
}

function connection(): Connection {
  return { isFenced: false } as Connection;
}

test("a pass that NATS' return has ended does not go on when NATS is away again: the new one looks at all", () => {
  const connections = [connection(), connection(), connection()];
  const { fence, closed, slice } = fenced(connections);
  fence.raise();
  for (let slices = 0; slices < 2; slices++) slice();
  fence.lower();
  // In the place of one that has ended meanwhile, which the first pass is beyond.
  const late = connection();
  connections[1] = late;
  fence.raise();
  for (let slices = 0; slices < 10; slices++) slice();
  expect(closed).toContain(late);
  expect(connections.every(({ isFenced }) => isFenced)).toBe(true);
  expect(closed).toHaveLength(4);
});

test("who opens while it is raised is closed at once, and nobody is after it was lowered", () => {
  const { fence, closed } = fenced([]);
  const [during, after] = [connection(), connection()];
  fence.raise();
  fence.opened(during);
  fence.lower();
  fence.opened(after);
  expect(closed).toEqual([during]);
});

import { expect, test } from "vitest";
import { Connection } from "./connection.ts";
import { underWayAt } from "./under-way.ts";
import type { WorkerPeer } from "./worker-peer.ts";

const [worker, other] = [{ id: "w1" } as WorkerPeer, { id: "w2" } as WorkerPeer];

function connection(slot: number, given: Partial<Pick<Connection, "worker" | "delivered" | "route" | "stalledSince">>): Connection {
  const rest = { epoch: 0, path: "/a/1", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
  return Object.assign(new Connection({ slot, id: `g-${slot}`, ...rest }), { worker, delivered: 1, route: "/a/:b", ...given });
}

test("of more connections than can be looked at in a few milliseconds it looks at those that were busy first", () => {
  let lookedAt = 0;
  const busy = {
    *[Symbol.iterator]() {
      for (; lookedAt < 1_000_000; lookedAt++) yield connection(lookedAt, {});
    },
  };
  expect(underWayAt(worker, busy, {}).routes).toEqual({ "/a/:b": 50_000 });
  expect(lookedAt).toBeLessThan(50_001);
});

test("counts what a worker has not committed by route, and names first what has waited longest", () => {
  const connections = [
    connection(0, {}),
    connection(1, { stalledSince: 9 }),
    connection(2, { stalledSince: 3, route: "/c" }),
    connection(3, { delivered: 0 }),
    connection(4, { worker: other }),
    ...Array.from({ length: 5 }, (_, index) => connection(5 + index, {})),
  ];
  expect(underWayAt(worker, connections, { onGatewayLost: 1 })).toEqual({
    asked: { onGatewayLost: 1 },
    routes: { "/a/:b": 7, "/c": 1 },
    connections: ["g-2", "g-1", "g-0", "g-5", "g-6"],
  });
});

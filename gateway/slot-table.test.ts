import { expect, test } from "vitest";
import { connectionId } from "../protocol/connection-id.ts";
import { Connection } from "./connection.ts";
import { SlotTable } from "./slot-table.ts";

function open(table: SlotTable): Connection {
  const { slot, epoch } = table.take();
  const connection = new Connection({
    ...{ slot, epoch, id: connectionId("g", slot, table.opened), path: "/a" },
    ...{ query: "", ip: "", user: undefined, subprotocol: "", state: undefined },
  });
  table.put(connection);
  return connection;
}

test("a connection is found by its slot and by its id", () => {
  const table = new SlotTable();
  const connections = [open(table), open(table), open(table)];
  expect(connections.map(({ slot }) => slot)).toEqual([0, 1, 2]);
  for (const connection of connections) {
    expect(table.connections[connection.slot]).toBe(connection);
    expect(table.find(connection.id)).toBe(connection);
  }
});

test("a slot is used again, with the epoch that it had; who had it before is not found there", () => {
  const table = new SlotTable();
  const first = open(table);
  first.epoch = 7;
  table.free(first);
  expect([table.connections[0], table.find(first.id)]).toEqual([undefined, undefined]);
  const second = open(table);
  expect([second.slot, second.epoch, table.opened]).toEqual([0, 7, 2]);
  expect(second.id).not.toBe(first.id);
  expect(table.find(first.id)).toBeUndefined();
  expect(table.find(second.id)).toBe(second);
});

test.each(["", "g", "g-0", "h-0-0", "g-9-0", "g--0", "g-__proto__-0", "g-length-0"])("%j finds nobody", (id) => {
  const table = new SlotTable();
  open(table);
  expect(table.find(id)).toBeUndefined();
});

import { beforeEach, describe, expect, test } from "vitest";
import { Connection } from "./connection.ts";
import { Members } from "./members.ts";

let nowMs: number;
let members: Members;
let slots: number;

beforeEach(() => {
  nowMs = 1_000;
  slots = 0;
  members = new Members({ wallClock: () => nowMs, limits: { bytes: 10_000_000 } });
});

function connection(user?: string): Connection {
  const slot = slots++;
  return new Connection({ slot, epoch: 0, id: `g-${slot}-${slot}`, path: "/", query: "", ip: "", user, subprotocol: "", state: undefined });
}

/** All that is told, in as many answers as it takes. */
function list(topic: string): { ids: string[]; answers: number } {
  const ids: string[] = [];
  let answers = 0;
  for (let after: number | undefined = 0; after !== undefined; answers++) {
    const told = members.list(topic, after);
    ids.push(...told.ids);
    after = told.next;
  }
  return { ids, answers };
}

test("a member is there from when it says so until it leaves, or its socket closes, and tells what it told last", () => {
  const [ada, bob] = [connection("ada"), connection()];
  members.set(ada, "a", '"Ada"');
  nowMs = 2_000;
  members.set(bob, "a", '"Bob"');
  members.set(bob, "b", "{}");
  nowMs = 3_000;
  members.set(ada, "a", '"Ada, away"');
  expect(members.list("a", 0)).toEqual({
    ids: [ada.id, bob.id],
    users: ["ada", ""],
    info: ['"Ada, away"', '"Bob"'],
    since: [1_000, 2_000],
  });
  members.leave(ada, "a");
  members.leave(ada, "b");
  expect(list("a").ids).toEqual([bob.id]);
  members.forget(bob);
  members.forget(ada);
  for (const topic of ["a", "b", "c"]) expect(list(topic)).toEqual({ ids: [], answers: 1 });
  expect([members.size, members.bytes]).toEqual([0, 0]);
});

test("many are told in several answers, each once, whoever comes and goes meanwhile", () => {
  const all = Array.from({ length: 3_000 }, () => connection());
  for (const each of all) members.set(each, "t", JSON.stringify("x".repeat(50)));
  const first = members.list("t", 0);
  const gone = all.at(-1) as Connection;
  members.forget(gone);
  members.forget(all[0] as Connection);
  const late = connection();
  members.set(late, "t", '""');
  const ids = [...first.ids];
  for (let after = first.next; after !== undefined; ) {
    const told = members.list("t", after);
    ids.push(...told.ids);
    after = told.next;
  }
  expect(ids).toEqual([...all.slice(0, -1), late].map(({ id }) => id));
  expect(list("t").answers).toBeGreaterThan(2);
});

describe("what members tell is counted:", () => {
  beforeEach(() => {
    members = new Members({ wallClock: () => nowMs, limits: { bytes: 1_000 } });
  });

  const told = (bytes: number, ...topics: readonly string[]) => new Map(topics.map((topic) => [topic, bytes]));

  test("each with what it takes besides, in UTF-8", () => {
    const ada = connection();
    expect(members.hasRoom(ada, told(372, "t", "u"), undefined)).toBe(true);
    members.set(ada, "t", "é".repeat(300));
    expect(members.bytes).toBe(728);
    expect(members.hasRoom(connection(), told(144, "t"), undefined)).toBe(true);
    expect(members.hasRoom(connection(), told(145, "t"), undefined)).toBe(false);
  });

  test("whoever tells something else takes what it has more than before", () => {
    const ada = connection();
    members.set(ada, "t", "x".repeat(800));
    expect(members.hasRoom(ada, told(800, "t"), undefined)).toBe(true);
    expect(members.hasRoom(ada, told(872, "t"), undefined)).toBe(true);
    expect(members.hasRoom(ada, told(873, "t"), undefined)).toBe(false);
  });

  test("an address may have a quarter of it, and has it again when its members have left", () => {
    const owner = { memberBytes: 0 };
    const ada = connection();
    expect(members.hasRoom(ada, told(123, "t"), owner)).toBe(false);
    expect(members.hasRoom(ada, told(122, "t"), owner)).toBe(true);
    members.set(ada, "t", "x".repeat(122), owner);
    expect([owner.memberBytes, members.hasRoom(connection(), told(1, "t"), owner)]).toEqual([250, false]);
    expect(members.hasRoom(connection(), told(1, "t"), { memberBytes: 0 })).toBe(true);
    members.set(ada, "t", "x", owner);
    expect(owner.memberBytes).toBe(129);
    members.forget(ada);
    expect(owner.memberBytes).toBe(0);
  });
});

test("what members tell is counted in bytes, not in characters", () => {
  const member = connection();
  members.set(member, "t", "é".repeat(100));
  expect(members.bytes).toBe(328);
  members.set(member, "t", "日".repeat(10));
  expect(members.bytes).toBe(158);
  members.leave(member, "t");
  expect(members.bytes).toBe(0);
});

test("however many come and go, a list goes on where it was, and those that have gone leave nothing behind", () => {
  const all = Array.from({ length: 3_000 }, () => connection());
  for (const each of all) members.set(each, "t", JSON.stringify("x".repeat(50)));
  const first = members.list("t", 0);
  for (const each of all.slice(0, 2_900)) members.forget(each);
  const rest = members.list("t", first.next ?? 0);
  expect(rest.ids).toEqual(all.slice(2_900).map(({ id }) => id));
  for (const each of all) members.forget(each);
  for (let round = 0; round < 10_000; round++) {
    const guest = connection();
    members.set(guest, "t", "1");
    if (round === 0) continue;
    members.forget(guest);
  }
  expect(list("t").ids).toHaveLength(1);
  expect([members.size, members.bytes]).toEqual([1, 129]);
});

test("a list has as many as are wanted at most, and goes on behind them", () => {
  const all = Array.from({ length: 5 }, () => connection());
  for (const each of all) members.set(each, "t", "1");
  const { ids, next = 0 } = members.list("t", 0, 2);
  expect(ids).toEqual([all[0]?.id, all[1]?.id]);
  expect(members.list("t", next, 3)).toMatchObject({ ids: all.slice(2).map(({ id }) => id) });
  expect(members.list("t", next, 3).next).toBeUndefined();
});

import { expect, test } from "vitest";
import { Connection, type Socket } from "./connection.ts";
import { OpenPage, openFrom, statesFrom } from "./connection-pages.ts";

function connection(slot: number, bytes: number): Connection {
  const about = { path: `/${slot}`, query: "", ip: "", user: undefined, subprotocol: "" };
  const made = new Connection({ ...about, slot, epoch: 0, id: `c${slot}`, state: bytes === 0 ? undefined : new Uint8Array(bytes) });
  made.socket = {} as Socket;
  return made;
}

test("all that is open is told, each once, in slices of 64 KiB or 1,000 slots", () => {
  const sizes = [0, 10, 70_000, 30_000, 30_000, 30_000, ...Array.from({ length: 2_500 }, () => 1)];
  const slots: Array<Connection | undefined> = sizes.map((bytes, slot) => connection(slot, bytes));
  slots[1] = undefined;
  const told: string[][] = [];
  for (let from: number | undefined = 0; from !== undefined; ) {
    const { states, next } = statesFrom(slots, from, "2");
    told.push(states.map(({ path }) => path));
    from = next;
  }
  expect(told.slice(0, 3)).toEqual([["/0"], ["/2"], ["/3", "/4"]]);
  expect(told.flat()).toEqual(slots.flatMap((open) => (open === undefined ? [] : [open.path])));
  expect(told.length).toBeLessThan(8);
});

test("what closes or has closed is not told; what the worker's release had left is", () => {
  const [open, closing, closed] = [connection(0, 3), connection(1, 3), connection(2, 3)];
  closing.intake = "closing";
  closed.socket = undefined;
  open.state.givenTo("1");
  open.state.set(new Uint8Array(5), "2", false);
  expect(statesFrom([open, closing, closed], 0, "1")).toEqual({
    states: [{ path: "/0", state: new Uint8Array(5), own: { state: new Uint8Array(3) } }],
  });
  expect(statesFrom([open], 0, "2")).toEqual({ states: [{ path: "/0", state: new Uint8Array(5) }] });
});

test("who is there is told with what names it", () => {
  const [open, closing] = [connection(0, 3), connection(1, 3)];
  closing.intake = "closing";
  expect(openFrom([open, undefined, closing], 0)).toEqual({ open: [{ id: "c0", path: "/0" }] });
  const named = new Connection({
    path: "/a",
    query: "q",
    ip: "",
    user: "ada",
    subprotocol: "",
    slot: 0,
    epoch: 0,
    id: "c1",
    state: undefined,
  });
  named.socket = {} as Socket;
  expect(openFrom([open, named], 1)).toEqual({ open: [{ id: "c1", path: "/a", user: "ada" }] });
});

test("of some connections, in whatever order they are found, each is told once, in slices of 1,000", () => {
  const count = 5_500;
  // Every slot once: 7 and 5,500 have no common factor.
  const found = Array.from({ length: count }, (_, index) => connection((index * 7) % count, 0));
  const told: string[][] = [];
  for (let from: number | undefined = 0; from !== undefined; ) {
    const page: OpenPage = new OpenPage(from);
    for (const each of found) page.add(each);
    const { open, next } = page.body();
    told.push(open.map(({ id }) => id));
    from = next;
  }
  expect(told.map(({ length }) => length)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, 500]);
  expect(told.flat()).toEqual(Array.from({ length: count }, (_, slot) => `c${slot}`));
});

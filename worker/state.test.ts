import * as v from "valibot";
import { expect, test } from "vitest";
import { packValue } from "../protocol/msgpack.ts";
import { defineHandler, type } from "./handler.ts";
import { adoptState, checkState, initialState, pinnedState } from "./state.ts";

const schema = v.object({ name: v.string(), sent: v.optional(v.number(), 0) });

test("a new connection has what onUpgrade returned, with the schema's defaults", () => {
  const handler = defineHandler({ path: "/a", state: schema, migrate: () => ({ name: "migrated" }) });
  expect(initialState(handler, { state: { name: "ada" } })).toEqual({ name: "ada", sent: 0 });
  expect(() => initialState(handler, { state: { name: 1 } })).toThrow(/^state\.invalid: name: /);
});

test("else what the schema makes of nothing, else what migrate does", () => {
  expect(initialState(defineHandler({ path: "/a", state: v.optional(schema, { name: "default" }) }), {})).toEqual({
    name: "default",
    sent: 0,
  });
  const migrating = defineHandler({ path: "/a", state: schema, migrate: (stored) => ({ name: String(stored) }) });
  expect(initialState(migrating, undefined)).toEqual({ name: "undefined", sent: 0 });
  expect(() => initialState(defineHandler({ path: "/a", state: schema }), undefined)).toThrow(/^state\.invalid/);
});

test("no two connections share an initial state", () => {
  const handler = defineHandler({ path: "/a", state: type({ cells: [1] }) });
  const state = initialState(handler, undefined);
  expect(state).toEqual({ cells: [1] });
  expect(initialState(handler, undefined)).not.toBe(state);
});

test("adoption keeps a state that fits, migrates one that does not, and refuses what migrate makes worse", () => {
  const migrate = (stored: unknown) => ({ name: "guest", ...(stored as object) });
  const handler = defineHandler({ path: "/a", state: schema, migrate });
  expect(adoptState(handler, { name: "ada", sent: 3 })).toEqual({ name: "ada", sent: 3 });
  expect(adoptState(handler, { sent: 3 })).toEqual({ name: "guest", sent: 3 });
  expect(() => adoptState(handler, { sent: "3" })).toThrow(/^state\.invalid: sent: /);
});

test("without a schema a stored state is left alone, and none can be set", () => {
  const handler = defineHandler({ path: "/a" });
  expect(adoptState(handler, { name: "ada" })).toBeUndefined();
  expect(checkState(handler, undefined)).toBeUndefined();
  expect(() => checkState(handler, { name: "ada" })).toThrow(/^state\.invalid: this handler has no state schema/);
});

test("a pinned connection's state is what its gateway keeps, frozen, or the reason why there is none", () => {
  const migrate = () => {
    throw new RangeError("no idea");
  };
  const handler = defineHandler({ path: "/a", state: schema, migrate });
  const { state, fault } = pinnedState(handler, packValue({ name: "ada" }));
  expect([state, fault]).toEqual([{ name: "ada", sent: 0 }, undefined]);
  expect(Object.isFrozen(state)).toBe(true);
  expect(pinnedState(handler, packValue({}))).toMatchObject({
    state: undefined,
    fault: { code: "state.incompatible", cause: new RangeError("no idea") },
  });
});
test("after a rollback a release has the stored state where it fits, else what it had left itself", () => {
  const handler = defineHandler({ path: "/a", state: schema });
  const own = { state: packValue({ name: "ada", sent: 3 }) };
  expect(pinnedState(handler, packValue({ name: "eve", sent: 4 }), own).state).toEqual({ name: "eve", sent: 4 });
  expect(pinnedState(handler, packValue({ title: "eve" }), own).state).toEqual({ name: "ada", sent: 3 });
  expect(pinnedState(handler, packValue({ title: "eve" }), { state: packValue({}) }).fault).toMatchObject({
    code: "state.incompatible",
    issues: [{ path: "name" }],
  });
});

test("it has left nothing where it had none: then it begins with what a new connection has", () => {
  const handler = defineHandler({ path: "/a", state: v.optional(v.object({ count: v.number() }), { count: 0 }) });
  const own = { state: new Uint8Array(0) };
  expect(pinnedState(handler, packValue({ total: "5" }), own).state).toEqual({ count: 0 });
});

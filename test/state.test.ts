// What a state is when workers change: as the last turn left it, or it was refused at once.

import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal, TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

beforeAll(async () => {
  system = await TestSystem.start({ handlers: "states" });
});

afterAll(() => system.stop());

/** A state in JavaScript → as Node prints it. */
const kinds: readonly (readonly [string, string])[] = [
  ["new Map([['a', { b: [1] }], [{ c: 1 }, new Set([2])]])", "Map(2) { 'a' => { b: [ 1 ] }, { c: 1 } => Set(1) { 2 } }"],
  ["{ at: new Date(1e12 + 1), never: new Date(NaN) }", "{ at: 2001-09-09T01:46:40.001Z, never: Invalid Date }"],
  ["new Float32Array([1.5, -0])", "Float32Array(2) [ 1.5, -0 ]"],
  ["[new Uint8Array([1]), new BigInt64Array([-1n]), new Uint8Array([7, 8]).buffer.slice(1)]", ""],
  ["[1n, 2n ** 80n, -0, NaN, undefined, null, Infinity]", "[ 1n, 1208925819614629174706176n, -0, NaN, undefined, null, Infinity ]"],
  ["{ toJSON: 'a', constructor: 'b', '': '\\u{1f600}' }", ""],
];

const refused: readonly (readonly [string, string])[] = [
  ["{ a: [/b/] }", "a.0"],
  ["{ f: () => 1 }", "f"],
  ["new Map([['home', new (class Home {})()]])", "home"],
  ["{ text: '\\ud800' }", "text"],
  ["JSON.parse('{ \"__proto__\": 1 }')", ""],
];

test("it is of the kind that it was, from turn to turn and from release to release", async () => {
  const clients = await Promise.all(kinds.map(() => TestClient.open(`${system.url}/keep?state=1`)));
  const fresh = await Promise.all(kinds.map(([text]) => TestClient.open(`${system.url}/keep?state=${encodeURIComponent(text)}`)));
  for (const [index, [text]] of kinds.entries()) clients[index]?.send(text);
  for (const client of [...clients, ...fresh]) client.send("look");
  await Promise.all([...clients.map((client) => client.receives(2)), ...fresh.map((client) => client.receives(1))]);
  await system.deploy("2");
  for (const client of [...clients, ...fresh]) client.send("look");
  await Promise.all([...clients.map((client) => client.receives(3)), ...fresh.map((client) => client.receives(2))]);
  for (const [index, [text, printed]] of kinds.entries()) {
    const [first] = clients[index]?.received ?? [];
    if (printed !== "") expect(first, text).toBe(printed);
    expect(clients[index]?.received, text).toEqual([first, first, first]);
    expect(fresh[index]?.received, text).toEqual([first, first]);
  }
  await Promise.all([...clients, ...fresh].map((client) => client.close()));
});

test("what would not be is refused by setState and by onUpgrade, and the connection goes on as it was", async () => {
  const client = await TestClient.open(`${system.url}/keep?state=1`);
  for (const [text] of refused) client.send(text);
  client.send("look");
  await client.receives(refused.length + 1);
  expect(client.received.slice(0, -1).map((answer) => JSON.parse(String(answer)))).toEqual(
    refused.map(([, path]) => ({ error: "state.invalid", path })),
  );
  expect(client.received.at(-1)).toBe("1");
  await client.close();
  for (const [text] of refused) {
    expect((await refusal(`${system.url}/keep?state=${encodeURIComponent(text)}`)).status).toBe(500);
  }
});

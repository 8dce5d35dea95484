import { expect, test } from "vitest";
import { hungText } from "./hung-text.ts";

test("names routes and connections that all gateways have had under way at a worker", () => {
  const first = { routes: { "/chat/:room": 2, "/echo": 1 }, connections: ["g1-0-1", "g1-2-1"] };
  const second = { routes: { "/chat/:room": 1 }, connections: ["g2-0-1"] };
  expect(hungText([first, second])).toBe("under way: /chat/:room (3), /echo (1), of connections g1-0-1, g1-2-1, g2-0-1, …");
  expect(hungText([second])).toBe("under way: /chat/:room (1), of connection g2-0-1");
});

test("names what else it was asked", () => {
  const asked = { "onRequest of /files": 2 };
  expect(hungText([{ asked, routes: {}, connections: [] }])).toBe("under way: onRequest of /files (2)");
  const both = { asked, routes: { "/echo": 1 }, connections: ["g1-0-1"] };
  expect(hungText([both, both])).toBe("under way: onRequest of /files (4), /echo (2), of connections g1-0-1, g1-0-1");
  expect(hungText([{ routes: {}, connections: [] }])).toBe("nothing of a client was under way: look at onStart and timers");
});

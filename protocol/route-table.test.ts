import { describe, expect, test } from "vitest";
import { checkRoutePath, compileRoutes, matchRoute, shapeOfRoute } from "./route-table.ts";

function tableOf(...paths: string[]) {
  return compileRoutes(paths.map((path) => ({ path })));
}

describe("a path is served", () => {
  test.each([
    [["/"], "/", "/", {}],
    [["/echo"], "/echo", "/echo", {}],
    [["/echo"], "/echo/", "/echo", {}],
    [["/chat/:room"], "/chat/blue", "/chat/:room", { room: "blue" }],
    [["/chat/:room"], "/chat/a%2Fb%20%C3%A9", "/chat/:room", { room: "a/b é" }],
    [["/chat/:room/:seat"], "/chat/blue/7", "/chat/:room/:seat", { room: "blue", seat: "7" }],
    [["/files/*"], "/files/a/b.txt", "/files/*", { "*": "a/b.txt" }],
    [["/v1.0/:a"], "/v1.0/x", "/v1.0/:a", { a: "x" }],
    [["/a/:__proto__"], "/a/x", "/a/:__proto__", JSON.parse('{"__proto__":"x"}')],
  ])("%j %s", (patterns, path, route, params) => {
    expect(matchRoute(tableOf(...patterns), path)).toEqual({ route: { path: route }, params });
  });
});

test.each([
  [["/echo"], "/"],
  [["/echo"], "/Echo"],
  [["/echo"], "/echo/x"],
  [["/chat/:room"], "/chat"],
  [["/chat/:room"], "/chat/"],
  [["/chat/:room"], "/chat/a/b"],
  [["/chat/:room"], "/chat/%"],
  [["/chat/:room"], "/chat/%FF"],
  [["/v1.0/:a"], "/v1x0/x"],
])("%j does not serve %s", (patterns, path) => {
  expect(matchRoute(tableOf(...patterns), path)).toBeUndefined();
});

test("text wins over a parameter and a parameter over *, from left to right, in any order of the routes", () => {
  const patterns = ["/*", "/:a", "/:a/c", "/b/:c", "/b/*", "/b/c"];
  for (const table of [tableOf(...patterns), tableOf(...patterns.toReversed())]) {
    const served = (path: string) => matchRoute(table, path)?.route.path;
    expect(["/b/c", "/b/x", "/x/c", "/b", "/x", "/x/y", "/b/c/d"].map(served)).toEqual([
      "/b/c",
      "/b/:c",
      "/:a/c",
      "/:a",
      "/:a",
      "/*",
      "/b/*",
    ]);
  }
});

test("patterns that differ in their parameters' names have one shape", () => {
  expect(shapeOfRoute("/a/:b/c/:d")).toBe(shapeOfRoute("/a/:x/c/:y"));
  expect(shapeOfRoute("/a/:b")).not.toBe(shapeOfRoute("/a/b"));
});

test.each(["", "a", "//", "/a//b", "/a/", "/a/:", "/a/:b?", "/a/:b.json", "/*/a", "/a*", "/a b", "/a/:1", "/:a/:a", "/%61"])(
  "%j is no pattern",
  (path) => {
    expect(() => checkRoutePath(path)).toThrow(/^handler\.invalid: path/);
  },
);

test.each(["/", "/a", "/a-b/c.d_e~f", "/:a/:b_2", "/a/*", "/*"])("%j is a pattern", (path) => {
  expect(() => checkRoutePath(path)).not.toThrow();
});

import { expect, test } from "vitest";
import { testHandler } from "../../../worker/testing.ts";
import slash from "./slash.ts";

test("an address without its slash leads to the one with it, once", async () => {
  const app = await testHandler(slash);
  const response = await app.request("/demos/chat?name=Ada");
  expect([response.status, response.headers.get("location")]).toEqual([308, "/demos/chat/?name=Ada"]);
  expect((await app.request("/demos/nonsense/")).status).toBe(404);
});

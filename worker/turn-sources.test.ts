import { expect, test } from "vitest";
import { TurnSources } from "./turn-sources.ts";

test("an IPv6 customer is one source however many networks of a /48 it uses; as many are kept as a watch asks for", () => {
  const sources = new TurnSources();
  for (const ip of ["2001:db8:1::1", "2001:db8:1:2::2", "192.0.2.1", "::ffff:192.0.2.1"]) sources.hear(ip);
  sources.blame("2001:db8:1:ffff::3");
  const { heard, threw } = sources.hello;
  expect([heard.length, threw]).toEqual([2, heard.slice(0, 1)]);
  sources.blame("2001:db8:2::3");
  expect(sources.hello.threw).toHaveLength(2);
  for (let index = 0; index < 100; index++) for (const act of ["hear", "blame"] as const) sources[act](`10.0.0.${index}`);
  expect([sources.hello.heard.length, sources.hello.threw.length]).toEqual([40, 10]);
});

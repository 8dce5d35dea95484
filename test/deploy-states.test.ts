// A deploy and its rollback, by the real commands, where the state changes its shape: whoever would be closed is counted before.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { Installation } from "./installation.ts";

const file = "worker/handlers/counter.ts";

let installation: Installation;

afterEach(() => installation.end());

/** Counts in a field of this name. */
function handler(field: string, migrate = ""): string {
  return `import * as v from "valibot";
import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/counter",
  state: v.object({ ${field}: v.number() }),
  ${migrate}
  onUpgrade: () => ({ state: { ${field}: 0 } }),
  onMessage(conn) {
    conn.setState({ ${field}: conn.state.${field} + 1 });
    conn.send("${field} " + conn.state.${field});
  },
});
`;
}

test("a state that would not fit refuses the deploy; with migrate it is deployed and taken back, and nobody is closed", async () => {
  installation = await Installation.cloned({ WATCH_MS: "0" });
  installation.write(file, handler("count"));
  const url = (await installation.start().line(/^ready ws:/)).replace("ready ", "");
  const clients = await Promise.all([1, 2, 3].map(() => TestClient.open(`${url}/counter`)));
  const says = async (expected: string) => {
    for (const client of clients) {
      const { length } = client.received;
      client.send("");
      await client.receives(length + 1);
      expect(client.received.at(-1)).toBe(expected);
    }
  };
  await says("count 1");

  installation.write(file, handler("total"));
  const refused = await installation.run("deploy-worker");
  expect(refused.exitCode).toBe(1);
  expect(refused.output).toContain("the states of 3 of 3 open connections do not fit the release:");
  expect(refused.output).toMatch(/\/counter {2}state\.incompatible: total: .* \(3\)/);
  await says("count 2");

  installation.write(file, handler("total", "migrate: (stored) => ({ total: ((stored ?? { count: 0 }) as { count: number }).count }),"));
  expect(await installation.run("deploy-worker")).toMatchObject({ exitCode: 0 });
  await says("total 3");
  // What the first release had left, which is still warm.
  expect(await installation.run("rollback-worker")).toMatchObject({ exitCode: 0 });
  await says("count 3");

  // One that opened under the release that is taken back has nothing that the first one could use.
  expect(await installation.run("deploy-worker")).toMatchObject({ exitCode: 0 });
  clients.push(await TestClient.open(`${url}/counter`));
  const stuck = await installation.run("rollback-worker");
  expect(stuck).toMatchObject({ exitCode: 1, output: expect.stringContaining("the states of 1 of 4 open connections") });
  const forced = await installation.run("rollback-worker", "--force");
  expect(forced.exitCode, forced.output).toBe(1);
  expect(forced.output).toMatch(/^release \S+ serves/m);
  expect(forced.output).toMatch(/^ {2}closed {7}1: state\.incompatible \(1\)$/m);
  expect(forced.output).toMatch(/^ {2}onAdopt was rolled back \(\/counter\): CodedError: state\.incompatible: count: /m);
  expect(await clients.pop()?.closes()).toEqual({ code: 1012, reason: "state.incompatible" });
  await says("count 4");
});

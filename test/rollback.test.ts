// A release whose `migrate` has changed states is taken back: nobody is closed, and each state is what the release before had left.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

const connections = 60;

let system: TestSystem;
let clients: TestClient[];

afterEach(() => system.stop());

/** All of a list say something; resolves when each is answered. @returns the answers. */
async function speak(talkers: readonly TestClient[]): Promise<Array<Record<string, unknown>>> {
  const expected = talkers.map((client) => client.received.length + 1);
  for (const talker of talkers) talker.send("count");
  await Promise.all(talkers.map((talker, index) => talker.receives(expected[index] as number)));
  return talkers.map((talker) => talker.values.at(-1) as Record<string, unknown>);
}

function sentOf(answers: ReadonlyArray<Record<string, unknown>>, release: string): number[] {
  for (const answer of answers) expect(answer.release).toBe(release);
  return answers.map(({ sent }) => sent as number);
}

const closed = () => clients.filter(({ isOpen }) => !isOpen).map((client) => client.closed);

test("a deploy with a migration, its rollback, and the next deploy close nobody; each state is as its release left it", async () => {
  system = await TestSystem.start({ handlers: "profile-1", gateways: 2, workers: 2 });
  clients = await Promise.all(Array.from({ length: connections }, (_, index) => TestClient.open(`${system.url}/profile/n${index}`)));
  const talkers = clients.filter((_, index) => index % 2 === 0);
  expect(new Set(sentOf(await speak(clients), "1"))).toEqual(new Set([1]));

  // The first release stays warm.
  await system.standBy("2", { handlers: "profile-2", workers: 2 });
  await system.activate("2");
  await speak(talkers);
  expect(new Set(sentOf(await speak(talkers), "2"))).toEqual(new Set([3]));

  await system.activate("1");
  const answers = await speak(clients);
  expect(closed()).toEqual([]);
  expect(new Set(sentOf(answers, "1"))).toEqual(new Set([2]));
  const rest = { release: "1", sent: 2, since: 1_700_000_000_000, big: String(2n ** 60n), bytes: [1, 2, 3] };
  expect(answers).toEqual(clients.map((_, index) => ({ ...rest, name: `n${index}` })));

  // Its own workers are warm, too: they find what the first release has stored since.
  await system.activate("2");
  expect(new Set(sentOf(await speak(clients), "2"))).toEqual(new Set([3]));
  await system.activate("1");
  expect(new Set(sentOf(await speak(clients), "1"))).toEqual(new Set([3]));
  expect(closed()).toEqual([]);
});

test("a connection that the release which is taken back has not changed goes on where that release found it", async () => {
  system = await TestSystem.start({ handlers: "profile-1" });
  clients = [await TestClient.open(`${system.url}/profile/ada`)];
  await speak(clients);
  await system.standBy("2", { handlers: "profile-2" });
  await system.activate("2");
  await system.activate("1");
  expect(sentOf(await speak(clients), "1")).toEqual([2]);
});

test("what a release has left is kept, also when its workers have ended meanwhile", async () => {
  system = await TestSystem.start({ handlers: "profile-1" });
  clients = [await TestClient.open(`${system.url}/profile/ada`)];
  await speak(clients);
  await system.deploy("2", { handlers: "profile-2" });
  await speak(clients);
  await system.deploy("1", { handlers: "profile-1" });
  expect(sentOf(await speak(clients), "1")).toEqual([2]);
});

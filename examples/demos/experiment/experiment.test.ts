import { expect, test } from "vitest";
import { type TestConnection, testHandler } from "../../../worker/testing.ts";
import experiment from "./experiment.ts";

const tea = { type: "ask", asks: "Tea or coffee?", answers: ["Tea", "Coffee"] };
const choose = (question: string, answer: number) => ({ type: "answer", question, answer });

interface Heard {
  readonly question?: { readonly id: string };
  readonly [what: string]: unknown;
}

/** What a client has heard of one kind, in order. */
function heard(client: TestConnection, what: string): unknown[] {
  return (client.received as Heard[]).flatMap((message) => message[what] ?? []);
}

function questionOf(client: TestConnection): string {
  return (heard(client, "question").at(-1) as { id: string }).id;
}

async function room(people: number) {
  const app = await testHandler(experiment);
  const clients = await Promise.all(Array.from({ length: people }, () => app.connect("/demos/experiment/lobby")));
  return { app, clients: clients as TestConnection[] };
}

test("everybody gets the question, and each answer; who comes later gets the same in a list", async () => {
  const { app, clients } = await room(3);
  const [ada, bob] = clients as [TestConnection, TestConnection];
  await ada.send(tea);
  const id = questionOf(bob);
  const asked = { id, asks: "Tea or coffee?", answers: ["Tea", "Coffee"], until: expect.any(Number) };
  for (const client of clients) expect(heard(client, "question")).toEqual([asked]);

  await bob.send(choose(id, 0));
  await ada.send(choose(id, 1));
  await bob.send(choose(id, 1));
  for (const client of clients) {
    expect(heard(client, "answered")).toEqual([
      { id: bob.id, choice: { question: id, answer: 0 } },
      { id: ada.id, choice: { question: id, answer: 1 } },
      { id: bob.id, choice: { question: id, answer: 1 } },
    ]);
  }
  const late = await app.connect("/demos/experiment/lobby");
  expect(heard(late, "question")).toEqual([asked]);
  expect(late.received.at(-1)).toMatchObject({ now: expect.any(Number) });
  expect(heard(late, "here")).toEqual([
    { id: ada.id, choice: { question: id, answer: 1 } },
    { id: bob.id, choice: { question: id, answer: 1 } },
    { id: clients[2]?.id, choice: null },
    { id: late.id, choice: null },
  ]);
});

test("after 20 s it is closed with one result for all, whatever is deployed and dies meanwhile; it is kept", async () => {
  const { app, clients } = await room(3);
  const [ada, bob] = clients as [TestConnection, TestConnection];
  app.crashNext("before commit");
  await ada.send(tea);
  const id = questionOf(ada);
  await bob.send(choose(id, 1));
  await ada.send(choose("another question", 1));
  await app.deploy(experiment);
  app.advance(19_999);
  expect(heard(bob, "result")).toEqual([]);
  app.crashNext("before commit");
  app.advance(1);
  await app.crash();
  const result = { question: id, counts: [0, 1, 0, 0], of: 3 };
  for (const client of clients) expect(heard(client, "result")).toEqual([result]);

  const late = await app.connect("/demos/experiment/lobby");
  expect(heard(late, "result")).toEqual([result]);
});

test("one question at a time: until its time is up, or until who asked has gone", async () => {
  const { app, clients } = await room(3);
  const [ada, bob, eve] = clients as [TestConnection, TestConnection, TestConnection];
  await ada.send(tea);
  await ada.send(tea);
  await bob.send(tea);
  const refused = ["another question is open"];
  expect([heard(ada, "refused"), heard(bob, "refused"), heard(bob, "question").length]).toEqual([refused, refused, 1]);

  await ada.send(choose(questionOf(ada), 0));
  await ada.close(1006);
  expect(heard(bob, "result")).toEqual([{ question: questionOf(bob), counts: [0, 0, 0, 0], of: 2 }]);
  expect(heard(bob, "left")).toEqual([ada.id]);
  await bob.send(tea);
  app.advance(20_000);
  await app.crash();
  await eve.send(tea);
  expect([heard(bob, "question").length, heard(bob, "result").length]).toEqual([3, 2]);
});

test("what is no question, no answer or no room is refused, and the connection stays", async () => {
  const { app, clients } = await room(1);
  const [ada] = clients as [TestConnection];
  const ask = { type: "ask", asks: "Why?", answers: ["A", "B"] };
  const wrong = [
    { ...ask, asks: "a".repeat(201) },
    { ...ask, answers: ["A"] },
    { ...ask, answers: ["A", "B", "C", "D", "E"] },
  ];
  for (const message of [...wrong, { ...ask, answers: ["A", " "] }, choose("1", 4), choose("1", 0.5)]) await ada.send(message);
  expect(heard(ada, "error")).toEqual(Array.from({ length: 6 }, () => "message.invalid"));
  expect(ada.closed).toBeUndefined();
  expect((await app.refused("/demos/experiment/")).status).toBe(400);
});

// The promise's point 10 on a running system: topics across gateways, workers, deploys, and programs outside.

import { connect, headers } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { openOnBoth } from "./on-both-gateways.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

beforeAll(async () => {
  system = await TestSystem.start({ gateways: 2, workers: 3 });
});

afterAll(() => system.stop());

async function idOf(client: TestClient): Promise<string> {
  client.send([{ do: "tell" }]);
  await client.receives(1);
  const [{ id }] = client.values as [{ id: string }];
  client.received.length = 0;
  return id;
}

test("each subscriber gets each publish once, each publisher's in order, over two gateways and through five deploys", async () => {
  const subscribers = await openOnBoth(`${system.url}/script/fan`, 10, idOf);
  for (const client of subscribers)
    client.send([
      { do: "subscribe", topic: "fan" },
      { do: "send", data: "in" },
    ]);
  await Promise.all(subscribers.map((client) => client.receives(1)));
  const publishers = await openOnBoth(`${system.url}/script/pub`, 4, idOf);
  let isPublishing = true;
  const counts = publishers.map(async (client, publisher) => {
    let count = 0;
    while (isPublishing) {
      client.send([
        { do: "publish", topic: "fan", data: JSON.stringify([publisher, count]) },
        { do: "send", data: count },
      ]);
      count++;
      await client.until(() => client.received.length >= count - 20, "publishes are committed");
    }
    await client.receives(count);
    return count;
  });
  for (let release = 2; release <= 6; release++) await system.deploy(`fan-${release}`, { workers: 2 });
  isPublishing = false;
  const published = await Promise.all(counts);
  const total = published.reduce((sum, count) => sum + count, 0);
  await Promise.all(subscribers.map((client) => client.receives(1 + total)));
  for (const client of subscribers) {
    const heard = client.received.slice(1).map((frame) => JSON.parse(String(frame)) as [number, number]);
    for (const [publisher, count] of published.entries()) {
      const own = heard.filter(([from]) => from === publisher).map(([, number]) => number);
      expect(own).toEqual(Array.from({ length: count }, (_, number) => number));
    }
    expect(heard).toHaveLength(total);
    expect(client.closed).toBeUndefined();
  }
  await Promise.all([...subscribers, ...publishers].map((client) => client.close()));
});

test("once a turn that subscribed has committed, nothing that is published later is missed, on whatever gateway", async () => {
  const [publisher, ...others] = await openOnBoth(`${system.url}/script/later`, 12, idOf);
  // A topic of its own for each round: nobody has subscribed to it before.
  for (const [round, subscriber] of others.entries()) {
    const topic = `later:${round}`;
    subscriber.send([
      { do: "subscribe", topic },
      { do: "send", data: "in" },
    ]);
    await subscriber.receives(1);
    publisher?.send([{ do: "publish", topic, data: "news" }]);
    await subscriber.receives(2);
    expect(subscriber.received).toEqual(["in", "news"]);
  }
  await Promise.all([publisher, ...others].map((client) => client?.close()));
});

test("a publish goes to everyone but its sender, unless it asks for itself; and no more after unsubscribe", async () => {
  const [publisher, ...others] = await openOnBoth(`${system.url}/script/self`, 4, idOf);
  for (const client of [publisher, ...others])
    client?.send([
      { do: "subscribe", topic: "self" },
      { do: "send", data: "in" },
    ]);
  await Promise.all([publisher, ...others].map((client) => client?.receives(1)));
  publisher?.send([
    { do: "publish", topic: "self", data: "to others" },
    { do: "publish", topic: "self", data: "to all", self: true },
    { do: "unsubscribe", topic: "self" },
    { do: "publish", topic: "self", data: "after", self: true },
    { do: "send", data: "done" },
  ]);
  await publisher?.receives(3);
  await Promise.all(others.map((client) => client.receives(4)));
  expect(publisher?.received).toEqual(["in", "to all", "done"]);
  for (const client of others) expect(client.received).toEqual(["in", "to others", "to all", "after"]);
  await Promise.all([publisher, ...others].map((client) => client?.close()));
});

test("programs outside publish bytes, or text where a header says so, and cannot reach more than one topic", async () => {
  const clients = await openOnBoth(`${system.url}/script/outside`, 2, idOf);
  const topic = "room: *.> ü";
  for (const client of clients)
    client.send([
      { do: "subscribe", topic },
      { do: "send", data: "in" },
    ]);
  await Promise.all(clients.map((client) => client.receives(1)));
  const outside = await connect({ servers: system.nats.url });
  const text = headers();
  text.set("Thinstate-Frame", "text");
  outside.publish(system.subjects.topicFromOutside(topic), "hello", { headers: text });
  outside.publish(system.subjects.topicFromOutside(topic), new Uint8Array([1, 2, 3]));
  outside.publish(system.subjects.topicFromOutside(`${topic}!`), "not for us");
  await outside.drain();
  await Promise.all(clients.map((client) => client.receives(3)));
  for (const client of clients) expect(client.received.slice(1)).toEqual(["hello", Buffer.from([1, 2, 3])]);
  await Promise.all(clients.map((client) => client.close()));
});

test("a publish leaves out whom it names, on every gateway, and loses nothing that was published before", async () => {
  const clients = await openOnBoth(`${system.url}/script/except`, 4, idOf);
  for (const client of clients) client.send([{ do: "subscribe", topic: "except" }, { do: "tell" }]);
  await Promise.all(clients.map((client) => client.receives(1)));
  const ids = clients.map((client) => (client.values[0] as { id: string }).id);
  const [sender] = clients;
  const except = ids.slice(1, -1);
  sender?.send([
    { do: "publish", topic: "except", data: "before", self: true },
    { do: "publish", topic: "except", data: "not to all", self: true, except },
    { do: "publish", topic: "except", data: "not to me", except },
    { do: "publish", topic: "except", data: "after", self: true },
  ]);
  await Promise.all(clients.map((client) => client.receives(3)));
  await clients.at(-1)?.receives(5);
  await sender?.receives(4);
  for (const [index, client] of clients.entries()) {
    const [, ...received] = client.received;
    if (index === 0) expect(received).toEqual(["before", "not to all", "after"]);
    else if (index === clients.length - 1) expect(received).toEqual(["before", "not to all", "not to me", "after"]);
    else expect(received).toEqual(["before", "after"]);
  }
  expect(new Set(ids.map((id) => id.split("-")[0])).size).toBe(2);
  await Promise.all(clients.map((client) => client.close()));
});

test("app.* publishes, sends to a connection of any gateway, and closes a user's connections on all of them", async () => {
  const subscribers = await openOnBoth(`${system.url}/script/app`, 4, idOf);
  for (const client of subscribers)
    client.send([
      { do: "subscribe", topic: "app" },
      { do: "send", data: "in" },
    ]);
  await Promise.all(subscribers.map((client) => client.receives(1)));
  const ada = await Promise.all(Array.from({ length: 6 }, () => TestClient.open(`${system.url}/app/ada`)));
  const boss = await TestClient.open(`${system.url}/app/boss`);
  await Promise.all([...ada, boss].map((client) => client.receives(1)));
  boss.send({ publish: "app" });
  await Promise.all(subscribers.map((client) => client.receives(2)));
  for (const client of subscribers) expect(client.received[1]).toBe("from the app");
  for (const [index, client] of ada.entries()) {
    boss.send({ send: (client.values[0] as { id: string }).id });
    await client.receives(2);
    expect(client.received[1]).toBe("hello");
    await boss.receives(2 + index);
  }
  boss.send({ send: "gnone-0-0" });
  await boss.receives(8);
  expect(boss.values.slice(1)).toEqual([...ada.map(() => ({ met: true })), { met: false }]);
  for (const data of ["one", "two"]) boss.send({ sendToUser: "ada", data });
  boss.send({ connectionsOf: "ada" });
  await boss.receives(11);
  const adas = ada.map((client) => (JSON.parse(String(client.received[0])) as { id: string }).id);
  expect(boss.values.slice(8, 10)).toEqual([{ met: 6 }, { met: 6 }]);
  expect((boss.values[10] as { of: string[] }).of.toSorted()).toEqual(adas.toSorted());
  await Promise.all(ada.map((client) => client.receives(4)));
  for (const client of ada) expect(client.received.slice(2)).toEqual(["one", "two"]);
  boss.send({ closeUser: "ada" });
  await boss.receives(12);
  expect(boss.values[11]).toEqual({ closed: 6 });
  for (const client of ada) expect(await client.closes()).toEqual({ code: 4010, reason: "moved" });
  boss.send({ late: true });
  await boss.receives(13);
  expect(boss.values[12]).toEqual({ error: "turn.over" });
  await Promise.all([...subscribers, boss].map((client) => client.close()));
});

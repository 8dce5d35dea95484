// Connections whose clients speak HTTP, on a running system: they are connections like any other, through deploys and kills.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { ask, LineClient } from "./line-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

function start(options: { workers?: number; gateways?: number; environment?: Readonly<Record<string, string>> } = {}): Promise<TestSystem> {
  return TestSystem.start({ handlers: "sessions", ...options });
}

test("frames wait until a poll fetches them, in order, together; messages go the other way", async () => {
  system = await start();
  const url = `${system.url}/line/a/one`;
  const opened = await ask(`${url}?open`);
  expect(opened).toMatchObject({ status: 200, headers: { "content-type": "text/plain" }, body: expect.stringMatching(/^open \S+\n$/) });
  expect((await ask(url, { method: "POST", body: "x\ny\nbytes hi\n" })).status).toBe(204);
  const client = new LineClient(url);
  await client.receives(4);
  expect(client.lines).toEqual(["1 x 1", "2 y 1", "baGk=", "3 bytes 1"]);
  client.abort();
});

test("nobody has this key: the handler's answer, or onRequest is asked again", async () => {
  system = await start();
  const url = `${system.url}/line/a/none`;
  expect(await ask(url)).toMatchObject({ status: 404, body: "no session\n" });
  expect(await ask(url, { method: "POST", body: "x" })).toMatchObject({ status: 404, body: "no session\n" });
});

test("its topics are those of WebSockets, both ways; onClose runs once, with the code of conn.close", async () => {
  system = await start();
  const [socket, poll] = await Promise.all([TestClient.open(`${system.url}/line/a/socket`), LineClient.open(`${system.url}/line/a/poll`)]);
  await socket.receives(1);
  socket.send("say from the socket");
  await poll.receives(2);
  await poll.say("say from the poll", "close enough");
  await poll.until(() => poll.lines.includes("2 close 1"), "it closes");
  await socket.until(() => socket.received.some((text) => text.toString().startsWith("closed")), "onClose");
  expect(poll.lines.slice(1)).toEqual(["from the socket", "1 say 1", "bye", "2 close 1"]);
  expect(socket.received.slice(1)).toEqual(["1 say 1", "from the poll", expect.stringMatching(/^closed \S+ 4000 enough$/)]);
  await socket.close();
});

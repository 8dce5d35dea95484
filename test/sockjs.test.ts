// sockjs-client itself, over each of its transports, on a running system: nothing is lost, doubled or out of order, and a client notices nothing
// of deploys and killed workers.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { SockJsClient, transports } from "./sockjs-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

const http = () => `http://127.0.0.1:${system.port}`;

interface Told {
  readonly number?: number;
  readonly said?: string;
  readonly release?: string;
  readonly left?: string;
}

const told = ({ received }: SockJsClient) => received as readonly Told[];

/** What browsers, URLs and scripts make something else of. */
const said = (index: number) => `${index} % %41 ü </script> \u2028`;

test("messages over each transport, while releases change and workers are killed", async () => {
  system = await TestSystem.start({ handlers: "sockjs", workers: 2 });
  const clients = await Promise.all(transports.map((transport) => SockJsClient.open(`${http()}/room/${transport}`, transport)));
  expect(clients.map(({ transport }) => transport)).toEqual(transports);
  const answers = (client: SockJsClient) => told(client).filter(({ number }) => number !== undefined);
  let sent = 0;
  const exchange = async (count: number) => {
    for (let index = 0; index < count; index++) {
      sent++;
      for (const client of clients) client.send(said(sent));
    }
    await Promise.all(clients.map((client) => client.until(() => answers(client).length >= sent, `${sent} answers`)));
  };
  await exchange(20);
  for (const release of ["2", "3"]) {
    await Promise.all([system.deploy(release, { workers: 2 }), exchange(50)]);
    await exchange(1);
    for (const client of clients) expect(answers(client).at(-1)).toMatchObject({ release });
  }
  system.keepWorkers();
  for (const worker of system.live("worker")) {
    await Promise.all([worker.end("SIGKILL"), exchange(50)]);
    await system.until(() => system.live("worker").length === 2, "another worker is started");
  }
  const expected = Array.from({ length: sent }, (_, index) => ({ number: index + 1, said: said(index + 1) }));
  for (const client of clients) {
    expect(told(client)[0]).toEqual({ joined: "guest" });
    expect(answers(client).map(({ number, said }) => ({ number, said }))).toEqual(expected);
  }
  await Promise.all(clients.map((client) => client.close()));
});

test("onClose runs once for who goes, and who is sent away hears why, over each transport", async () => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const watch = await SockJsClient.open(`${http()}/room/blue`, "websocket");
  const open = (name: string) => transports.map((transport) => SockJsClient.open(`${http()}/room/blue?name=${name}`, transport));
  const [sentAway, going] = [await Promise.all(open("sentAway")), await Promise.all(open("going"))];
  for (const client of sentAway) client.send("bye");
  for (const client of sentAway) expect(await client.closes()).toEqual({ code: 3000, reason: "Go away!", wasClean: true });
  await Promise.all(going.map((client) => client.close()));
  const left = (name: string) => told(watch).filter((event) => event.left === name);
  await watch.until(() => left("sentAway").length >= 4 && left("going").length >= 4, "all have left");
  for (const event of left("sentAway")) expect(event).toEqual({ left: "sentAway", code: 3000, reason: "Go away!" });
  expect([left("sentAway").length, left("going").length]).toEqual([4, 4]);
  await watch.close();
});

test("a raw WebSocket hears what the others hear, without frames, also after a deploy", async () => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const raw = await TestClient.open(`${system.url}/room/blue/websocket?name=raw`);
  const framed = await SockJsClient.open(`${http()}/room/blue`);
  await raw.receives(2);
  expect(raw.values).toEqual([{ joined: "raw" }, { joined: "guest" }]);
  await system.deploy("2");
  await framed.close();
  await raw.receives(3);
  expect(raw.values[2]).toMatchObject({ left: "guest" });
  raw.send("bye");
  expect(await raw.closes()).toEqual({ code: 3000, reason: "Go away!" });
});

test("messages of one frame count one by one for the limit of the handler; a page that may not connect is logged", async () => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const client = await TestClient.open(`${system.url}/few/000/abcdefgh/websocket`);
  client.send(JSON.stringify(Array.from({ length: 10 }, String)));
  await client.receives(11);
  client.send('["one more"]');
  expect(await client.closes()).toEqual({ code: 1008, reason: "rate.sent" });
  expect(client.received).toHaveLength(11);
  // By its first request already, a page that may not connect leaves a trace.
  expect((await fetch(`${http()}/few/info`, { headers: { origin: "https://a.example" } })).status).toBe(403);
  const [worker] = system.live("worker");
  await worker?.says("request.origin");
  expect(worker?.logged("request.origin")).toMatchObject([{ route: "/few", fault: expect.stringContaining("https://a.example") }]);
});

test("htmlfile: a message cannot end the script that it is written into", async () => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const session = `${http()}/echo/000/html`;
  const body = (await fetch(`${session}/htmlfile?c=callback`)).body?.pipeThrough(new TextDecoderStream());
  const sent = await fetch(`${session}/xhr_send`, { method: "POST", body: JSON.stringify(["</script><script>alert(1)"]) });
  expect(sent.status).toBe(204);
  let text = "";
  for await (const part of body ?? []) {
    text += part;
    if (text.includes("alert")) break;
  }
  expect(text.endsWith('p("a[\\"\\u003c/script>\\u003cscript>alert(1)\\"]");\n</script>\r\n')).toBe(true);
});

test("the client chooses WebSocket", async () => {
  system = await TestSystem.start({ handlers: "sockjs" });
  const client = await SockJsClient.open(`${http()}/room/blue`);
  expect(client.transport).toBe("websocket");
  await client.close();
});

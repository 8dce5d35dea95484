// One client that sends nonsense of every kind while a release is deployed and watched: a good one stays, a bad one goes.

import { afterEach, beforeEach, expect, test } from "vitest";
import type { DeployReport } from "../supervisor/deploy-report.ts";
import { TestClient } from "./client.ts";
import { Installation } from "./installation.ts";
import { Exposition } from "./prometheus.ts";
import { RawClient } from "./raw-client.ts";

const file = "worker/handlers/strict.ts";
/** As many users whose turns throw end a watch early. */
const clients = 10;
const talkMs = 30;

let installation: Installation;
let url: string;
let talkers: TestClient[] = [];
let isOver: boolean;
/** Answers that nonsense should not have got. */
let surprises: string[];
let nonsense: Promise<void>;
let stopTalking = () => {};

/** Takes numbers, as its schema says, and where there is none as JSON. @param onNumber what it does with one before it answers. */
function handler(version: string, onNumber = ""): string {
  return `import * as v from "valibot";
import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/strict/:room",
  message: v.object({ n: v.number() }),
  onUpgrade: ({ cookies, query, subprotocols }) => ({ user: [cookies.a, query.get("a"), ...subprotocols].join(" ").slice(0, 9) }),
  onMessage(conn, { n }) {
    ${onNumber}
    conn.send("${version} " + n);
  },
  onError(conn, error) { conn.send(error.code); },
  async onRequest(request) {
    if (request.headers.get("content-type")?.startsWith("multipart")) return Response.json([...(await request.formData())]);
    return Response.json(await request.json());
  },
});
`;
}

const loose = `import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/loose",
  onMessage(conn, message) { conn.send({ got: message.json() }); },
  onError(conn, error) { conn.send(error.code); },
});
`;

const head = (line: string, ...headers: string[]) => `${[line, "Host: h", ...headers].join("\r\n")}\r\n\r\n`;
const opening = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
const posted = (body: string, ...headers: string[]) =>
  `${head("POST /strict/a HTTP/1.1", `Content-Length: ${body.length}`, ...headers)}${body}`;

/** Bytes as Latin-1, and what they are answered with; nothing: uWebSockets.js 20.30 closes, or waits for more. */
const requests: ReadonlyArray<readonly [string, readonly number[]]> = [
  // 20.30 drops what is no UTF-8.
  [head("GET /strict/a HTTP/1.1", "X-Name: gr\xfc\xdf", "Content-Type: multipart/form-data"), [400]],
  [head("GET /strict/a HTTP/1.1", `X-Name: ${Buffer.from("Łódź").toString("latin1")}`), [400]],
  [head("GET /strict/a HTTP/1.1", "Cookie: a=\xff\xfe"), [400]],
  [head("GET /strict/a HTTP/1.1", "X-\xfc: a"), []],
  ["GET /strict/a HTTP/1.1\r\nHost: a/b@c\r\n\r\n", [400]],
  ["GET /strict/a HTTP/1.1\r\nHost: gr\xfc\r\n\r\n", [400]],
  [head("GET /strict/.. HTTP/1.1"), [400]],
  [head("GET /strict/%zz HTTP/1.1"), [404]],
  [head("GET /strict/%ff HTTP/1.1"), [404]],
  [head("TRACE /strict/a HTTP/1.1"), [405]],
  [head("trace /strict/a HTTP/1.1"), []],
  [head("get /strict/a HTTP/1.1"), []],
  [head("G@T /strict/a HTTP/1.1"), []],
  [posted("no JSON"), [400]],
  [posted(""), [400]],
  [posted("no form", "Content-Type: multipart/form-data; boundary=x"), [400]],
  [head("GET /strict/a?%zz=%&&=\xff HTTP/1.1", ...opening, "Cookie: a=%zz; =; \xff; __proto__=1"), [101]],
  [head("GET /strict/a HTTP/1.1", ...opening, "Sec-WebSocket-Protocol: ,, \xff ,;="), [101]],
  [head("GET /strict/a HTTP/1.1", ...opening.slice(0, 3), "Sec-WebSocket-Key: none"), [400]],
];

const messages = ["no JSON", "", "{}", '{"n":"1"}', "null", '{"__proto__":{"n":1}}', "[".repeat(20_000), Buffer.from([0xff, 0xfe, 0])];

async function sendNonsense(): Promise<void> {
  while (!isOver) {
    for (const [bytes, statuses] of requests) {
      const client = await RawClient.send(url, Buffer.from(bytes, "latin1"));
      const { socket } = client;
      while (statuses.length > 0 && !client.received.includes("\r\n\r\n")) {
        if (socket.closed) throw new Error(`closed without an answer: ${bytes}`);
        await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
      }
      socket.destroy();
      const status = Number(/^HTTP\/1.1 (\d+)/.exec(client.received.toString())?.[1]);
      if (statuses.length > 0 && !statuses.includes(status)) surprises.push(`${status}: ${bytes}`);
    }
    for (const path of ["/strict/a", "/loose"]) {
      const client = await TestClient.open(`${url}${path}`);
      for (const message of messages) client.send(message);
      await client.receives(messages.length);
      client.breakOff();
    }
  }
}

beforeEach(async () => {
  isOver = false;
  surprises = [];
  installation = await Installation.cloned({ WATCH_MS: "5000" });
  installation.write(file, handler("one"));
  installation.write("worker/handlers/loose.ts", loose);
  url = (await installation.start().line(/^ready ws:/)).replace("ready ", "");
  talkers = await Promise.all(Array.from({ length: clients }, (_, index) => TestClient.open(`${url}/strict/a?a=${index}`)));
  let n = 0;
  const timer = setInterval(() => {
    for (const talker of talkers) talker.send({ n: n++ });
  }, talkMs);
  stopTalking = () => clearInterval(timer);
  await talkers[0]?.receives(20);
  nonsense = sendNonsense();
  // A mistake of the client's own is told at its end.
  nonsense.catch(() => undefined);
});

afterEach(async () => {
  isOver = true;
  stopTalking();
  await installation.end();
});

test("a good release stays, and what was refused has a metric of its own", async () => {
  installation.write(file, handler("two"));
  const { exitCode, stdout } = await installation.run("deploy-worker", "--json");
  expect(exitCode, stdout).toBe(0);
  const { watch, release } = JSON.parse(stdout) as DeployReport;
  expect(watch?.now.thrown).toBe(0);
  expect(watch?.before?.thrown).toBe(0);
  isOver = true;
  await nonsense;
  expect(surprises).toEqual([]);
  const metrics = await Exposition.of((await installation.status()).gateways[0]?.adminPort, "/metrics/workers");
  for (const [route, code] of [
    ["/strict/:room", "message.notJson"],
    ["/strict/:room", "message.invalid"],
    ["/strict/:room", "request.malformed"],
    ["/loose", "message.notJson"],
  ] as const) {
    // As many as would undo a deploy.
    expect(metrics.sum("thinstate_refused_total", { route, code, release }), `${route} ${code}`).toBeGreaterThanOrEqual(10);
  }
  expect(metrics.sum("thinstate_turns_total", { outcome: "thrown" })).toBe(0);
  expect(talkers.every(({ isOpen }) => isOpen)).toBe(true);
});

test("a release that throws on an eleventh of the valid messages is rolled back all the same", async () => {
  // Of ten clients that count on, each meets a multiple of eleven, and one only those of ten.
  installation.write(file, handler("two", 'if (n % 11 === 0) throw new Error("no luck");'));
  const { exitCode, output } = await installation.run("deploy-worker");
  expect(exitCode, output).toBe(1);
  expect(output).toMatch(/was rolled back: its turns throw clearly more often than before$/m);
  expect(output).toMatch(/^ {2}before {2}0 of [\d,]+ turns threw$/m);
  expect(talkers.every(({ isOpen }) => isOpen)).toBe(true);
});

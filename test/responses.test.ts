// Answers to plain HTTP that are large or come in pieces, on a running system.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { refusal, TestClient } from "./client.ts";
import { Download } from "./download.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

const mebibyte = 1024 * 1024;

let system: TestSystem;
let notes: TestClient;

async function begin(options: Parameters<typeof TestSystem.start>[0]): Promise<void> {
  system = await TestSystem.start({ handlers: "http", ...options });
  notes = await TestClient.open(`${system.url}/notes`);
}

async function end(): Promise<void> {
  notes.breakOff();
  await system.stop();
}

const start = (path: string) => Download.start(`${system.url}${path}`);
const noted = (text: string) => notes.until(() => notes.received.map(String).includes(text), text);
const requests = async () => (await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics")).having("thinstate_requests_total", {});

function counted(bytes: number): string {
  let text = "";
  for (let at = 0; at < bytes; at += 8) text += String(at).padStart(8, "0");
  return text;
}

describe("with two workers", () => {
  beforeAll(() => begin({ workers: 2 }));
  afterAll(end);

  test.each([0, 10, 65_536, 65_537, 5_000_000])("a body of %i bytes arrives whole, with its length", async (bytes) => {
    const answer = await start(`/stream/text?bytes=${bytes}`);
    expect(await answer.ends).toBe(true);
    expect(answer.response.headers).toMatchObject({ "content-length": String(bytes), "content-type": "text/plain;charset=UTF-8" });
    expect(answer.body === "x".repeat(bytes)).toBe(true);
  });

  test.each([
    ["", { "transfer-encoding": "chunked" }],
    [`&length=${12 * mebibyte}`, { "content-length": String(12 * mebibyte) }],
  ])("a stream of 12 MiB arrives whole and in order: %s", async (length, headers) => {
    const answer = await start(`/stream/counted?bytes=${12 * mebibyte}${length}`);
    expect(await answer.ends).toBe(true);
    expect(answer.response.headers).toMatchObject(headers);
    expect(answer.body === counted(12 * mebibyte)).toBe(true);
    // uWebSockets.js writes a line to standard error for each write that is not corked.
    expect(system.live("gateway").map(({ output }) => output)).not.toContainEqual(expect.stringContaining("Warning: uWS"));
  });

  test("an event arrives while the stream goes on; when its client goes, the stream is cancelled and the signal aborts", async () => {
    const answer = await start("/stream/events");
    await answer.receives("data: 1\n\ndata: 2\n\n".length);
    expect(answer.body).toContain("data: 1\n\ndata: 2\n\n");
    answer.breakOff();
    await Promise.all([noted("events cancelled"), noted("events aborted")]);
  });

  test("the head of a stream arrives before there is anything of its body", async () => {
    const answer = await start("/stream/silent");
    expect(answer.response.headers["content-type"]).toBe("text/event-stream");
    answer.breakOff();
    await noted("silent cancelled");
  });

  test("a client that goes before its answer is there: the signal aborts, and nothing has failed", async () => {
    const leaving = new AbortController();
    const asked = fetch(`${system.url.replace("ws", "http")}/stream/waits`, { signal: leaving.signal });
    await noted("waits asked");
    leaving.abort();
    await expect(asked).rejects.toThrow();
    await noted("waits aborted");
    await (await start("/stream/text?bytes=1")).ends;
    expect(system.live("worker").flatMap((worker) => worker.logged("/stream/waits"))).toEqual([]);
  });

  test.each([
    ["fails?bytes=10", "the source broke"],
    ["fails?bytes=10&length=11", "the source broke"],
    ["counted?bytes=80000&length=79999", "was said to have 79999 bytes"],
    ["counted?bytes=80000&length=800000", "was said to have 800000 bytes"],
  ])("a body that cannot be whole is cut off, and never looks whole: %s", async (path, reason) => {
    const answer = await start(`/stream/${path}`);
    expect(await answer.ends).toBe(false);
    const logged = () => system.live("worker").flatMap((worker) => worker.logged("a Response was cut off"));
    await expect
      .poll(() => logged().map(({ err }) => JSON.stringify(err)), { timeout: patienceMs })
      .toContainEqual(expect.stringContaining(reason));
    expect(await requests()).toContainEqual(expect.objectContaining({ labels: expect.objectContaining({ outcome: "response.broken" }) }));
  });

  test.each([
    ["strings", "internal error"],
    ["head?bytes=70000", "response.tooLarge"],
  ])("what fails before anything was sent is 500: %s", async (path, text) => {
    const answer = await start(`/stream/${path}`);
    expect(await answer.ends).toBe(true);
    expect([answer.response.statusCode, answer.body]).toEqual([500, expect.stringContaining(text)]);
  });

  test.each([
    ["text?bytes=10", { "content-length": "10" }],
    ["text?bytes=5000000", { "content-length": "5000000" }],
    ["200?length=7", { "content-length": "7" }],
    ["counted?bytes=5000000&length=5000000", { "content-length": "5000000" }],
  ])("an answer to HEAD has the length and no body: %s", async (path, headers) => {
    const answer = await fetch(`${system.url.replace("ws", "http")}/stream/${path}`, { method: "HEAD" });
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    expect(Object.fromEntries(answer.headers)).toMatchObject(headers);
  });

  test("an answer to HEAD whose length nobody knows says none, and its stream is cancelled", async () => {
    const answer = await fetch(`${system.url.replace("ws", "http")}/stream/events`, { method: "HEAD" });
    expect(Object.fromEntries(answer.headers)).toMatchObject({ "content-type": "text/event-stream" });
    expect(answer.headers.has("content-length")).toBe(false);
  });

  test.each([204, 304])("%i has neither body nor length", async (status) => {
    const answer = await start(`/stream/${status}`);
    expect(await answer.ends).toBe(true);
    expect(answer.response.statusCode).toBe(status);
    expect(answer.response.headers).not.toHaveProperty("content-length");
  });

  test("a path that answers plain HTTP alone lets no WebSocket in", async () => {
    const refused = await refusal(`${system.url}/plain`);
    expect([refused.status, refused.body]).toEqual([404, expect.stringContaining("has no WebSocket")]);
  });

  test("a Response that refuses an upgrade may have 64 KiB; a larger one is 500, with the error's code", async () => {
    const refused = await refusal(`${system.url}/stream/refuse?bytes=65536`);
    expect([refused.status, refused.body.length]).toEqual([403, 65_536]);
    const large = await refusal(`${system.url}/stream/refuse?bytes=65537`);
    expect([large.status, large.body]).toEqual([500, expect.stringContaining("response.tooLarge")]);
  });
});

// One after the other, on one system: what one leaves behind is there for the next.
describe("with one worker", () => {
  beforeAll(() => begin({}));
  afterAll(end);

  test("of a stream whose client does not read, no more is read than fits on the way; others are not held up", async () => {
    const slow = await start(`/stream/counted?bytes=${32 * mebibyte}`);
    slow.stopReading();
    // As long as this takes, the slow one could have been read whole.
    const quick = await start(`/stream/text?bytes=${32 * mebibyte}`);
    expect(await quick.ends).toBe(true);
    expect(notes.received.map(String)).not.toContain(`counted to ${16 * mebibyte}`);
    slow.goOn();
    expect(await slow.ends).toBe(true);
    expect(slow.body === counted(32 * mebibyte)).toBe(true);
  });

  test("a stream survives a deploy, and its worker waits for it", async () => {
    const answer = await start(`/stream/counted?bytes=${16 * mebibyte}`);
    answer.stopReading();
    const [before] = system.live("worker");
    const deployed = system.deploy("2");
    await system.until(() => system.workerHellos.some(({ pid, state }) => pid === before?.pid && state === "draining"), "it drains");
    answer.goOn();
    expect(await answer.ends).toBe(true);
    expect(answer.body === counted(16 * mebibyte)).toBe(true);
    await deployed;
  });

  test("a stream that does not end is cut off when its worker has drained for as long as it may", async () => {
    system.startWorker("3", undefined, { DRAIN_MS: "100" });
    await system.until(() => system.workerHellos.some(({ release }) => release === "3"), "a worker that drains quickly is there");
    await system.activate("3");
    const answer = await start("/stream/events");
    await answer.receives(20);
    await system.deploy("4");
    expect(await answer.ends).toBe(false);
    expect(await requests()).toContainEqual(expect.objectContaining({ labels: expect.objectContaining({ outcome: "response.broken" }) }));
  });

  test("a worker that dies within an answer: its client is cut off, and nobody is asked again", async () => {
    system.keepWorkers();
    const answer = await start("/stream/killed");
    await answer.receives(1);
    const [worker] = system.live("worker").filter(({ pid }) => String(pid) === answer.body);
    worker?.child.kill("SIGKILL");
    expect(await answer.ends).toBe(false);
    await (await start("/stream/text?bytes=1")).ends;
    expect(notes.received.map(String)).not.toContain("killed asked again");
    const cuts = () => system.live("gateway")[0]?.logged("response.broken").at(-1);
    await expect.poll(cuts, { timeout: patienceMs }).toMatchObject({ level: 40, path: "/stream/killed" });
  });

  test("a NATS that restarts within an answer: nothing of it is lost or doubled", async () => {
    const answer = await start(`/stream/counted?bytes=${16 * mebibyte}`);
    await answer.receives(mebibyte);
    answer.stopReading();
    const restarted = system.restartNats();
    answer.goOn();
    await restarted;
    expect(await answer.ends).toBe(true);
    expect(answer.body === counted(16 * mebibyte)).toBe(true);
  });

  test("a gateway that ends waits for what is being sent", async () => {
    const answer = await start(`/stream/counted?bytes=${16 * mebibyte}`);
    answer.stopReading();
    const [gateway] = system.live("gateway");
    const ended = gateway?.end();
    await system.until(() => system.gatewayHellos.some(({ draining }) => draining === true), "it drains");
    answer.goOn();
    expect(await answer.ends).toBe(true);
    expect(answer.body === counted(16 * mebibyte)).toBe(true);
    expect(await ended).toBe(0);
  });
});

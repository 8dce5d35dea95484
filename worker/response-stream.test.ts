import { beforeEach, expect, test } from "vitest";
import { type Batch, decodeBatch } from "../protocol/envelope.ts";
import { Link, linkLimits } from "../protocol/link.ts";
import { flag, responseChunkBytes, responseWindowBytes, toGateway } from "../protocol/records.ts";
import { readAhead } from "./body-read-ahead.ts";
import { ResponseStream } from "./response-stream.ts";

let link: Link;
/** What the gateway is told: bytes of chunks, ended, broken. */
let said: Array<number | string>;

beforeEach(() => {
  said = [];
  link = linkOf(linkLimits.unackedBytes);
});

function linkOf(unackedBytes: number): Link {
  const note = (batch: Batch) => {
    for (let index = 0; index < batch.records; index++) {
      expect(batch.slot(index)).toBe(7);
      if (batch.type(index) === toGateway.chunk) said.push(batch.view(index).length);
      else said.push((batch.flags(index) & flag.broken) === 0 ? "ended" : "broken");
    }
  };
  return new Link({
    self: "w",
    peer: "g",
    session: 1,
    now: () => 0,
    transmit: (bytes) => note(decodeBatch(bytes)),
    onBegun: () => undefined,
    onCredit: () => undefined,
    onLost: () => undefined,
    limits: { ...linkLimits, unackedBytes },
  });
}

/** A stream of so many chunks, and how many of them were asked for. */
function source(chunks: number, bytes: number) {
  const state = { read: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await settled();
        if (state.read === chunks) controller.close();
        else {
          state.read++;
          controller.enqueue(new Uint8Array(bytes));
        }
      },
      cancel: () => {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { state, stream };
}

async function streamOf(body: ConstructorParameters<typeof Response>[0], length?: number): Promise<ResponseStream> {
  const ahead = await readAhead(new Response(body), responseChunkBytes);
  return new ResponseStream({ link, number: 7, ahead, length });
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  link.flush();
}

test("a body is sent in pieces, and its end is told", async () => {
  const stream = await streamOf("x".repeat(2 * responseChunkBytes + 1), 2 * responseChunkBytes + 1);
  await stream.run();
  link.flush();
  expect(said).toEqual([responseChunkBytes, responseChunkBytes, 1, "ended"]);
});

test("no more is sent, nor read, than the client has taken and a window", async () => {
  const { state, stream: body } = source(100, responseChunkBytes);
  const stream = await streamOf(body);
  const running = stream.run();
  await expect.poll(() => state.read).toBe(4);
  for (let turn = 0; turn < 20; turn++) await settled();
  expect(said).toEqual(Array(responseWindowBytes / responseChunkBytes).fill(responseChunkBytes));
  expect(state.read).toBe(4);
  stream.taken(1);
  await expect.poll(() => settled().then(() => said.at(-1))).toBe(1);
  expect(state.read).toBe(5);
  stream.stop("gone");
  await running;
});

test("nothing is read while the link has no credit", async () => {
  link = linkOf(1_000);
  const { state, stream: body } = source(100, 600);
  const stream = await streamOf(body);
  const running = stream.run();
  await expect.poll(() => state.read).toBe(2);
  for (let turn = 0; turn < 20; turn++) await settled();
  expect(state.read).toBe(2);
  stream.stop("gone");
  await running;
});

test("a stream that nobody wants is cancelled, and nothing more is said", async () => {
  const { state, stream: body } = source(100, 10);
  const stream = await streamOf(body);
  const running = stream.run();
  stream.stop("gone");
  await running;
  await settled();
  expect([said, state.cancelled]).toEqual([[], true]);
});

test("a worker that ends says that the body is not whole, once", async () => {
  const stream = await streamOf(source(100, 10).stream);
  const running = stream.run();
  stream.break("it ends");
  stream.break("it ends");
  await running;
  await settled();
  expect(said).toEqual(["broken"]);
});

test("a stream that has the length that was told is whole", async () => {
  await (await streamOf(source(2, 10).stream, 20)).run();
  await settled();
  expect(said).toEqual([10, 10, "ended"]);
});

test.each([
  [15, [10], "has 20 or more"],
  [30, [10, 10], "has 20"],
])("one of 20 bytes that was said to have %i is broken", async (length, sent, message) => {
  await expect((await streamOf(source(2, 10).stream, length)).run()).rejects.toThrow(message);
  await settled();
  expect(said).toEqual([...sent, "broken"]);
});

test("what the handler's stream throws is told, and the body is not whole", async () => {
  async function* failing() {
    yield new Uint8Array(10);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error("the source broke");
  }
  const stream = await streamOf(ReadableStream.from(failing()) as ReadableStream<Uint8Array>);
  await expect(stream.run()).rejects.toThrow("the source broke");
  await settled();
  expect(said).toEqual([10, "broken"]);
});

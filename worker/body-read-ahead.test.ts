import { describe, expect, test } from "vitest";
import { readAhead } from "./body-read-ahead.ts";

const enough = 100;

function streamOf(...chunks: readonly unknown[]): Response {
  const source = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  return new Response(source);
}

const bytes = (count: number) => new Uint8Array(count);

describe("what is there at once is read", () => {
  test.each([
    ["nothing", new Response(null), 0],
    ["an empty string", new Response(""), 0],
    ["a string", new Response("hello"), 5],
    ["a string of any size", new Response("x".repeat(1_000)), 1_000],
    ["bytes", new Response(bytes(1_000)), 1_000],
    ["JSON", Response.json({ a: 1 }), 7],
    ["parameters of a form", new Response(new URLSearchParams({ a: "1" })), 3],
    ["a stream that has ended", streamOf(bytes(10), bytes(20)), 30],
  ])("%s", async (_, response, expected) => {
    const ahead = await readAhead(response, enough);
    expect([ahead.bytes, ahead.rest]).toEqual([expected, undefined]);
    expect(Buffer.concat(ahead.chunks).length).toBe(expected);
  });
});

test("of several chunks no more is read than enough, and the rest comes in order", async () => {
  const { bytes: read, chunks, rest } = await readAhead(streamOf(bytes(60), bytes(61), bytes(62)), enough);
  expect([read, chunks.length]).toEqual([121, 2]);
  expect((await rest?.next())?.length).toBe(62);
  expect(await rest?.next()).toBeUndefined();
});

test("what waits for something outside is not waited for, and nothing of it is lost", async () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const response = new Response(
    new ReadableStream({
      start(given) {
        controller = given;
        given.enqueue(bytes(1));
      },
    }),
  );
  const { chunks, rest } = await readAhead(response, enough);
  expect(chunks.map(({ length }) => length)).toEqual([1]);
  controller?.enqueue(bytes(2));
  controller?.enqueue(bytes(3));
  controller?.close();
  expect((await rest?.next())?.length).toBe(2);
  expect((await rest?.next())?.length).toBe(3);
  expect(await rest?.next()).toBeUndefined();
});

test("a stream whose rest nobody wants is cancelled, with the reason", async () => {
  let reason: unknown;
  const source = new ReadableStream({
    cancel(given) {
      reason = given;
    },
  });
  const { rest } = await readAhead(new Response(source), enough);
  rest?.cancel("gone");
  expect(reason).toBe("gone");
  expect(await rest?.next()).toBeUndefined();
});

test.each([
  ["text", streamOf("text"), "TextEncoderStream"],
  ["numbers", streamOf(7), "yielded number"],
])("a stream of %s is refused", async (_, response, message) => {
  await expect(readAhead(response, enough)).rejects.toThrow(message);
});

test("a stream that is refused for what it yields is cancelled", async () => {
  let isCancelled = false;
  const source = new ReadableStream({
    start: (controller) => controller.enqueue("text"),
    cancel: () => {
      isCancelled = true;
    },
  });
  await expect(readAhead(new Response(source), enough)).rejects.toThrow("TextEncoderStream");
  expect(isCancelled).toBe(true);
});

test("a body that was used already is refused", async () => {
  const response = new Response("once");
  await response.text();
  await expect(readAhead(response, enough)).rejects.toThrow("used already");
});

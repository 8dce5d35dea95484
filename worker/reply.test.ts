import { expect, test } from "vitest";
import { unpackValue } from "../protocol/msgpack.ts";
import { replyOf } from "./reply.ts";

test("a stream whose Response has too large a head is cancelled", async () => {
  let isCancelled = false;
  const source = new ReadableStream({
    cancel: () => {
      isCancelled = true;
    },
  });
  const response = new Response(source, { headers: { "x-long": "x".repeat(70_000) } });
  await expect(replyOf(response, false)).rejects.toMatchObject({ code: "response.tooLarge" });
  expect(isCancelled).toBe(true);
});

test.each([
  [new Response(null), undefined],
  [new Response(null, { headers: { "content-length": "0" } }), 0],
  [new Response("five!"), 5],
])("to HEAD only a length is told that GET has, too", async (response, length) => {
  const { bytes } = await replyOf(response, true);
  expect(unpackValue(bytes)).toMatchObject({ status: 200, ...(length !== undefined && { length }) });
  expect((unpackValue(bytes) as { length?: number }).length ?? undefined).toBe(length);
});

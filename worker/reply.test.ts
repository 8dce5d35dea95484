import { expect, test } from "vitest";
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

import { expect, test } from "vitest";
import { ApiError } from "./api-error.ts";

test("Retry-After is in whole seconds, as long as the caller has to wait and a second at least; errors that no wait helps have none", () => {
  const retryAfter = (code: "rate.requests" | "nats.away" | "api.invalid", retryMs?: number) => {
    const error = new ApiError(code);
    if (retryMs !== undefined) error.retryMs = retryMs;
    return new Map(error.answer.headers).get("retry-after");
  };
  expect([retryAfter("rate.requests"), retryAfter("rate.requests", 7_300), retryAfter("rate.requests", 10)]).toEqual(["1", "8", "1"]);
  expect([retryAfter("nats.away"), retryAfter("api.invalid", 5_000)]).toEqual(["1", undefined]);
});

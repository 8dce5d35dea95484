import { expect, test } from "vitest";
import { neededPayloadBytes } from "./payload-limits.ts";

const usual = { MESSAGE_BYTES: 262_144, EFFECTS_BYTES: 786_432, STATE_BYTES: 16_384, TOPICS_PER_CONNECTION: 1_000 };

test("the usual limits need what a nats-server allows by itself", () => {
  expect(neededPayloadBytes(usual)).toBe(1_048_576);
});

test("each limit that needs more has it", () => {
  expect(neededPayloadBytes({ ...usual, MESSAGE_BYTES: 1_048_576 })).toBe(1_048_576 + 65_536);
  expect(neededPayloadBytes({ ...usual, EFFECTS_BYTES: 2_000_000 })).toBe(2_004_096);
  expect(neededPayloadBytes({ ...usual, STATE_BYTES: 524_288 })).toBe(2 * (524_288 + 32_768));
  expect(neededPayloadBytes({ ...usual, TOPICS_PER_CONNECTION: 4_000 })).toBe(2 * 4_000 * 259);
});

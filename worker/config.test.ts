import { expect, test } from "vitest";
import { checkPayload, parseWorkerConfig } from "./config.ts";

const parse = (environment: Record<string, string>) => parseWorkerConfig({ NATS_URL: "nats://x", ...environment });

test("what one turn may ask for follows from MESSAGE_BYTES where that needs more", () => {
  expect(parse({}).EFFECTS_BYTES).toBe(786_432);
  expect(parse({ MESSAGE_BYTES: "1048576" }).EFFECTS_BYTES).toBe(1_049_600);
});

test("effects that the largest message does not fit into are refused", () => {
  expect(() => parse({ EFFECTS_BYTES: "263167" })).toThrow(
    "EFFECTS_BYTES=263167 is not at least 263168, which MESSAGE_BYTES=262144 needs: raise it, or lower MESSAGE_BYTES",
  );
  expect(parse({ EFFECTS_BYTES: "263168" }).EFFECTS_BYTES).toBe(263_168);
  expect(parse({ EFFECTS_BYTES: "2024", MESSAGE_BYTES: "1000" }).EFFECTS_BYTES).toBe(2_024);
});

test("limits that are not set are held to what NATS lets through; those that are set have to fit, and all that do not are named", () => {
  const maxPayloadBytes = 200_000;
  const small = { MESSAGE_BYTES: "100000" };
  expect(() => checkPayload(parse(small), maxPayloadBytes)).not.toThrow();
  expect(() => checkPayload(parse({}), maxPayloadBytes)).toThrow(
    "MESSAGE_BYTES=262144 does not fit NATS' max_payload of 200000: at most 134464",
  );
  const large = { ...small, EFFECTS_BYTES: "200000", STATE_BYTES: "90000", TOPICS_PER_CONNECTION: "999" };
  expect(() => checkPayload(parse(large), maxPayloadBytes)).toThrow(
    /EFFECTS_BYTES=200000 .* at most 195904; STATE_BYTES=90000 .* at most 67232; TOPICS_PER_CONNECTION=999 .* at most 386/,
  );
});

test("a gateway that has lost NATS closes its connections before workers run their onClose: else the time-outs are refused, both named", () => {
  expect(() => parse({ GATEWAY_TIMEOUT_MS: "23000" })).toThrow(
    "GATEWAY_TIMEOUT_MS=23000 is not at least 23001, which NATS_TIMEOUT_MS=3000 needs: raise it, or lower NATS_TIMEOUT_MS",
  );
  expect(() => parse({ NATS_TIMEOUT_MS: "20000" })).toThrow(
    "GATEWAY_TIMEOUT_MS=120000 is not at least 125001, which NATS_TIMEOUT_MS=20000 needs",
  );
  expect(parse({ GATEWAY_TIMEOUT_MS: "8001", NATS_TIMEOUT_MS: "500" })).toMatchObject({ GATEWAY_TIMEOUT_MS: 8_001, NATS_TIMEOUT_MS: 500 });
});

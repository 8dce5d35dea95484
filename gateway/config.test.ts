import { expect, test } from "vitest";
import { parseGatewayConfig } from "./config.ts";

const parse = (environment: Record<string, string>) => parseGatewayConfig({ NATS_URL: "nats://x", ...environment });

test("what is not set follows from MESSAGE_BYTES where that needs more", () => {
  expect(parse({})).toMatchObject({ MESSAGE_BYTES: 262_144, PARKED_BYTES: 1_048_576, BACKPRESSURE_BYTES: 4_194_304 });
  expect(parse({ MESSAGE_BYTES: "5000000" })).toMatchObject({ PARKED_BYTES: 20_000_000, BACKPRESSURE_BYTES: 5_000_000 });
});

test.each([
  [{ PARKED_BYTES: "262143" }, "PARKED_BYTES=262143 is not at least 262144, which MESSAGE_BYTES=262144 needs"],
  [{ PARKED_TOTAL_BYTES: "1000" }, "PARKED_TOTAL_BYTES=1000 is not at least 262144, which MESSAGE_BYTES=262144 needs"],
  [
    { BACKPRESSURE_BYTES: "1000000", MESSAGE_BYTES: "1000001" },
    "BACKPRESSURE_BYTES=1000000 is not at least 1000001, which MESSAGE_BYTES=1000001 needs: raise it, or lower MESSAGE_BYTES",
  ],
])("what the largest message does not fit into is refused: %j", (environment, message) => {
  expect(() => parse(environment)).toThrow(message);
});

test("several contradictions are told together, beside other mistakes", () => {
  const environment = { MESSAGE_BYTES: "2000", PARKED_BYTES: "1", BACKPRESSURE_BYTES: "1", PORT: "x" };
  expect(() => parse(environment)).toThrow(/PORT=x .*; PARKED_BYTES=1 .*; BACKPRESSURE_BYTES=1 /);
});

test("as much as the largest message is enough", () => {
  const environment = { MESSAGE_BYTES: "1000", PARKED_BYTES: "1000", PARKED_TOTAL_BYTES: "1000", BACKPRESSURE_BYTES: "1000" };
  expect(parse(environment)).toMatchObject({ PARKED_BYTES: 1_000, PARKED_TOTAL_BYTES: 1_000, BACKPRESSURE_BYTES: 1_000 });
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

test.each([
  [{ HOSTS: "https://example.com" }, "HOSTS=https://example.com is not host names (example.com:8443, *.example.com), separated by commas"],
  [{ HOSTS: "example.com, *" }, "HOSTS=example.com, * is not host names"],
  [{ COMPRESSION: "yes" }, "COMPRESSION=yes is not on or off"],
  [{ URL_BYTES: "16385" }, "URL_BYTES=16385 is not a whole number from 256 to 16384"],
])("what is no host, no switch or no size is refused: %j", (environment, message) => {
  expect(() => parse(environment)).toThrow(message);
});

test("a client is pinged before proxies give it up: after 50 s in Debian's HAProxy, 60 s in nginx and Varnish", () => {
  expect(parse({}).IDLE_TIMEOUT_MS).toBeLessThanOrEqual(45_000);
});

import { expect, test } from "vitest";
import { closesInTime, leastGatewayTimeout } from "./gateway-timeout.ts";

test.each([500, 501, 3_000, 590_000])(
  "the least GATEWAY_TIMEOUT_MS that is named for NATS_TIMEOUT_MS=%i is the least that is taken",
  (NATS_TIMEOUT_MS) => {
    const least = Number(/^at least (\d+), /.exec(leastGatewayTimeout({ NATS_TIMEOUT_MS }))?.[1]);
    expect(closesInTime({ NATS_TIMEOUT_MS, GATEWAY_TIMEOUT_MS: least })).toBe(true);
    expect(closesInTime({ NATS_TIMEOUT_MS, GATEWAY_TIMEOUT_MS: least - 1 })).toBe(false);
  },
);

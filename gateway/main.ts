// The gateway's process: environment, signals, and nothing else.

import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { connectBus } from "../protocol/bus.ts";
import { collectSeldom } from "../protocol/collector.ts";
import { isCodedError } from "../protocol/errors.ts";
import { holdLifeline } from "../protocol/lifeline.ts";
import { listenAdmin } from "./admin.ts";
import { type GatewayConfig, parseGatewayConfig } from "./config.ts";
import { Gateway } from "./gateway.ts";

/** What an envelope adds to a message, at most, and some more: a message must fit into one NATS message. */
const envelopeBytes = 8 * 1024;

async function main(config: GatewayConfig): Promise<void> {
  const id = `g${randomBytes(5).toString("hex")}`;
  const log = pino({ level: config.LOG_LEVEL, base: { gateway: id, pid: process.pid } });
  let gateway: Gateway | undefined;
  let isEnding = false;

  const end = (reason: string) => {
    // A second signal ends at once.
    if (isEnding) process.exit(1);
    isEnding = true;
    log.info({ reason }, "gateway ends");
    if (gateway === undefined) process.exit(0);
    void gateway.drain().then(() => process.exit(0));
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
  holdLifeline(config.LIFELINE_FD, () => end("its supervisor has ended"));

  const bus = await connectBus({
    url: config.NATS_URL,
    name: `gateway ${id}`,
    onEvent: (event) => {
      if (event.kind === "connected") gateway?.reconnected();
      if (event.kind === "disconnected") gateway?.disconnected();
      if (event.kind === "fault") gateway?.meetFault(event.error);
      else log.warn(event.kind === "connected" ? "NATS is back" : "NATS is gone: messages park");
    },
  });
  if (config.MESSAGE_BYTES + envelopeBytes > bus.maxPayloadBytes) {
    log.fatal(
      `MESSAGE_BYTES=${config.MESSAGE_BYTES} does not fit NATS' max_payload of ${bus.maxPayloadBytes}: at most ${bus.maxPayloadBytes - envelopeBytes}`,
    );
    process.exit(1);
  }
  gateway = new Gateway({ id, config, bus, log, now: () => performance.now() });
  const admin = await listenAdmin(gateway, config.ADMIN_PORT);
  gateway.admin = admin.port;
  const { port } = await gateway.start();
  log.info({ host: config.HOST, port, admin: admin.port }, "gateway listens");
}

collectSeldom();
try {
  await main(parseGatewayConfig(process.env));
} catch (error) {
  const text = isCodedError(error) ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`gateway: ${text}\n`);
  process.exit(1);
}

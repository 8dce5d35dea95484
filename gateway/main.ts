// The gateway's process: environment, signals, and nothing else.

import { randomBytes } from "node:crypto";
import { connectBus } from "../protocol/bus.ts";
import { collectSeldom } from "../protocol/collector.ts";
import { isCodedError } from "../protocol/errors.ts";
import { isJournal, withPriority } from "../protocol/journal.ts";
import { holdLifeline } from "../protocol/lifeline.ts";
import { openLog } from "../protocol/log.ts";
import { Reload } from "../protocol/reload.ts";
import { SettingsFile } from "../protocol/settings-file.ts";
import { listenAdmin } from "./admin.ts";
import { aboutCertificate, readCertificate } from "./certificate.ts";
import { checkPayload, type GatewayConfig, liveSettings, parseGatewayConfig } from "./config.ts";
import { Gateway } from "./gateway.ts";

async function main(): Promise<void> {
  const file = new SettingsFile(process.env.SETTINGS_FILE ?? "", process.env);
  const config = parseGatewayConfig(file.read());
  const certificate = readCertificate(config);
  const id = `g${randomBytes(5).toString("hex")}`;
  const log = openLog({ level: config.LOG_LEVEL, base: { gateway: id, pid: process.pid }, journalStream: process.env.JOURNAL_STREAM });
  let gateway: Gateway | undefined;
  let reload: Reload<GatewayConfig> | undefined;
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
  // While it starts: what would be read again has just been read.
  process.on("SIGHUP", () => void reload?.run());
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
  checkPayload(config, bus.maxPayloadBytes);
  gateway = new Gateway({ id, config, certificate, bus, log, now: () => performance.now() });
  const admin = await listenAdmin(gateway, config.ADMIN_PORT);
  gateway.admin = admin.port;
  const { port } = await gateway.start();
  const started = gateway;
  const apply = async (changed: GatewayConfig) => {
    checkPayload(changed, bus.maxPayloadBytes);
    const next = readCertificate(changed);
    await started.change(changed, next);
    return next === undefined ? {} : aboutCertificate(next);
  };
  reload = new Reload({ file, log, config, live: liveSettings, parse: parseGatewayConfig, apply });
  log.info({ host: config.HOST, port, admin: admin.port, ...(certificate && aboutCertificate(certificate)) }, "gateway listens");
}

collectSeldom();
try {
  await main();
} catch (error) {
  const text = isCodedError(error) ? error.message : error instanceof Error ? error.stack : String(error);
  const line = `gateway: ${text}\n`;
  process.stderr.write(isJournal(2, process.env.JOURNAL_STREAM) ? withPriority(line, 60) : line);
  process.exit(1);
}

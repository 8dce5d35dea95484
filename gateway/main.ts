// The gateway's process: environment, signals, and nothing else.

import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { connectBus } from "../nats/connection.ts";
import { collectSeldom } from "../process/gc-tuning.ts";
import { shutDownGracefully } from "../process/graceful-shutdown.ts";
import { IdentityFile } from "../process/identity-file.ts";
import { openLog, sayFatal } from "../process/log.ts";
import { keepCompiled } from "../process/native-typescript.mjs";
import { Notify } from "../process/notify.ts";
import { SettingsFile } from "../process/settings-file.ts";
import { Reload } from "../process/settings-reload.ts";
import { thrownText } from "../process/thrown.ts";
import { exitCodeOf, isCodedError } from "../protocol/errors.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { isLoopback, listenAdmin } from "./admin.ts";
import { aboutCertificate, readCertificate } from "./certificate.ts";
import { checkPayload, type GatewayConfig, liveSettings, parseGatewayConfig } from "./config.ts";
import { Gateway, type GatewayOptions } from "./gateway.ts";
import { openFilesWarning } from "./open-files.ts";
import { recordedActivation } from "./recorded-activation.ts";

async function main(): Promise<void> {
  const file = new SettingsFile(process.env.SETTINGS_FILE ?? "", process.env);
  const config = parseGatewayConfig(file.read());
  const certificate = readCertificate(config);
  const id = `g${randomBytes(5).toString("hex")}`;
  const log = openLog({ level: config.LOG_LEVEL, base: { gateway: id, pid: process.pid }, journalStream: process.env.JOURNAL_STREAM });
  const notify = new Notify(config);
  let gateway: Gateway | undefined;
  let reload: Reload<GatewayConfig> | undefined;

  shutDownGracefully({
    log,
    text: "gateway ends",
    notify,
    drainMs: config.DRAIN_MS,
    lifelineFd: config.LIFELINE_FD,
    drain: () => gateway?.drain(),
  });
  // While it starts: what would be read again has just been read.
  process.on("SIGHUP", () => void reload?.run());

  const fewFiles = openFilesWarning(config.CONNECTIONS);
  if (fewFiles !== undefined) log.warn(fewFiles);

  const bus = await connectBus({
    url: config.NATS_URL,
    silenceMs: config.NATS_TIMEOUT_MS,
    security: config,
    name: `gateway ${id}`,
    replies: subjectsOf(config.NAMESPACE).replies,
    onEvent: (event) => {
      if (event.kind === "unreached") return log.warn({ err: event.error }, "NATS cannot be reached: trying again");
      if (event.kind === "connected") gateway?.backend.reconnected();
      if (event.kind === "disconnected") gateway?.backend.disconnected();
      if (event.kind === "fault") gateway?.backend.meetFault(event.error);
      else log.warn(event.kind === "connected" ? "NATS is back" : "NATS is gone: messages park");
    },
  });
  checkPayload(config, bus.maxPayloadBytes);
  const identity = identityFile(config.IDENTITY_FILE, id, log);
  identity.tell(bus, subjectsOf(config.NAMESPACE).members);
  const historyStore: GatewayOptions["historyStore"] = (limits) =>
    bus.historyStore({ namespace: config.NAMESPACE, limits, wallClock: Date.now });
  gateway = new Gateway({
    id,
    config,
    certificate,
    bus,
    historyStore,
    lockStore: bus.lockStore(config.NAMESPACE),
    log,
    identity,
    now: () => performance.now(),
  });
  const { announcements } = gateway.backend;
  const recorded = recordedActivation({
    file: config.ACTIVATION_FILE,
    log,
    onRead: (activation) => announcements.activate(activation),
  });
  await recorded.begin();
  const adminPort = config.ADMIN_PORT === 0 ? 0 : config.ADMIN_PORT + config.GATEWAY_INSTANCE - 1;
  const admin = await listenAdmin(gateway, { host: config.ADMIN_HOST, port: adminPort });
  if (!isLoopback(config.ADMIN_HOST)) {
    const address = { host: config.ADMIN_HOST, port: admin.port };
    log.warn(
      address,
      "the admin port is not on loopback (ADMIN_HOST), and answers everybody who reaches it: have a firewall decide who may",
    );
  }
  if (config.API_PORT !== 0 && !isLoopback(config.API_HOST)) {
    log.warn(
      { host: config.API_HOST },
      "API_PORT is not on loopback (API_HOST), and speaks no TLS: use API_PATH, or have a proxy before it",
    );
  }
  gateway.adminPort = admin.port;
  const { port } = await gateway.start();
  const started = gateway;
  const apply = async (changed: GatewayConfig) => {
    checkPayload(changed, bus.maxPayloadBytes);
    const next = readCertificate(changed);
    await started.frontend.change(changed, next);
    return next === undefined ? {} : aboutCertificate(next);
  };
  reload = new Reload({ file, log, config, live: liveSettings, parse: parseGatewayConfig, apply, answerFile: config.RELOAD_FILE });
  log.info({ host: config.HOST, port, admin: admin.port, ...(certificate && aboutCertificate(certificate)) }, "gateway listens");
  if (config.HOSTS === "" && !isLoopback(config.HOST)) {
    log.warn({ host: config.HOST }, "HOSTS is not set: pages of any name that leads here may connect. Set it to the names of your site");
  }
  keepCompiled();
  notify.ready(() => statusLine(started.dispatcher));
}

/** What cannot be read is no reason to serve nobody. */
function identityFile(file: string, id: string, log: Logger): IdentityFile {
  try {
    return new IdentityFile({ file, id });
  } catch (error) {
    log.error({ err: error }, "cannot read IDENTITY_FILE: if the gateway before this one crashed, onGatewayLost will not run for it");
    return new IdentityFile({ file: "", id });
  }
}

/** For `systemctl status`. */
function statusLine({ size, workers, activation }: Gateway["dispatcher"]): string {
  const release = activation === undefined ? "no release yet" : `release ${activation.release}`;
  return `${size.toLocaleString("en-US")} connections, ${workers} workers, ${release}`;
}

collectSeldom();
try {
  await main();
} catch (error) {
  const text = isCodedError(error) ? error.message : thrownText(error);
  sayFatal(`gateway: ${text}`, process.env.JOURNAL_STREAM);
  process.exit(exitCodeOf(error));
}

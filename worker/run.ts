// A worker from its environment to its end: settings, signals, the bus, the handlers.

import { randomBytes } from "node:crypto";
import { connectBus } from "../nats/connection.ts";
import { shutDownGracefully } from "../process/graceful-shutdown.ts";
import { IdentityFile } from "../process/identity-file.ts";
import { openLog, sayFatal } from "../process/log.ts";
import { keepCompiled, readAllTypeScript } from "../process/native-typescript.mjs";
import { Notify } from "../process/notify.ts";
import { SettingsFile } from "../process/settings-file.ts";
import { Reload } from "../process/settings-reload.ts";
import { SparseLog } from "../process/sparse-log.ts";
import { thrownText } from "../process/thrown.ts";
import { isCodedError } from "../protocol/errors.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { checkPayload, liveSettings, parseWorkerConfig, type WorkerConfig } from "./config.ts";
import { confine } from "./confinement.ts";
import { loadHandlers, loadingTimeMs } from "./loader.ts";
import { RecentErrors } from "./recent-errors.ts";
import { onWarning } from "./warnings.ts";
import { Worker } from "./worker.ts";

/** @param env Its settings. @throws {CodedError}, {HandlersError} where it cannot start. */
export async function run(env: NodeJS.ProcessEnv): Promise<void> {
  const file = new SettingsFile(env.SETTINGS_FILE ?? "", env);
  const config = parseWorkerConfig(file.read());
  const id = `w${randomBytes(5).toString("hex")}`;
  const handlersDirs: [string, ...string[]] = [config.HANDLERS_DIR, ...(config.DEMOS_DIR === "" ? [] : [config.DEMOS_DIR])];
  const recentErrors = new RecentErrors({ folder: process.cwd(), handlersDirs, wallClock: Date.now });
  const log = openLog({
    level: config.LOG_LEVEL,
    base: { worker: id, release: config.RELEASE, pid: process.pid },
    journalStream: env.JOURNAL_STREAM,
    onError: (fields, text) => recentErrors.add(fields, text),
  });
  const now = () => performance.now();
  const sparseLog = new SparseLog(log, now);
  const notify = new Notify(config);
  let worker: Worker | undefined;
  let reload: Reload<WorkerConfig> | undefined;

  // A second signal ends it at once: what was begun is redelivered.
  shutDownGracefully({
    log,
    text: "worker drains",
    notify,
    drainMs: config.DRAIN_MS,
    lifelineFd: config.LIFELINE_FD,
    drain: () => worker?.drain(),
  });
  // While it starts: what would be read again has just been read.
  process.on("SIGHUP", () => void reload?.run());
  // A promise that a handler let go of: its turn has committed without it, and no other connection is concerned.
  process.on("unhandledRejection", (error) => sparseLog.error({}, { err: error }, "a promise that no handler awaited was rejected"));
  onWarning((kind, about, text) => sparseLog.warn(kind, about, text));
  process.on("uncaughtException", (error) => {
    // A timer that used its turn's conn: it throws before it does anything, so that is no reason to end what others wait for.
    if (isCodedError(error, "turn.over")) return sparseLog.error({ code: error.code }, { err: error }, "a conn was used after its turn");
    sayFatal(`worker: ${thrownText(error)}`, env.JOURNAL_STREAM);
    process.exit(1);
  });

  await readAllTypeScript();
  confine(process.cwd());
  const [bus, loaded] = await Promise.all([
    connectBus({
      url: config.NATS_URL,
      silenceMs: config.NATS_TIMEOUT_MS,
      security: config,
      name: `worker ${id}`,
      replies: subjectsOf(config.NAMESPACE).replies,
      onEvent: (event) => {
        if (event.kind === "unreached") return log.warn({ err: event.error }, "NATS cannot be reached: trying again");
        if (event.kind === "connected") worker?.reconnected();
        if (event.kind === "fault") worker?.meetFault(event.error);
        else log.warn(event.kind === "connected" ? "NATS is back" : "NATS is gone");
      },
    }),
    loadHandlers(handlersDirs, {
      timeoutMs: loadingTimeMs(config.READY_TIMEOUT_MS, performance.now()),
    }),
  ]);
  checkPayload(config, bus.maxPayloadBytes);
  const identity = new IdentityFile({ file: config.IDENTITY_FILE, id });
  identity.tell(bus, subjectsOf(config.NAMESPACE).membersFromWorkers);
  await identity.settle(identity.crashed);
  await identity.take();
  worker = new Worker({
    id,
    config,
    loaded,
    bus,
    oneTime: bus.oneTimeStore(config.NAMESPACE),
    taskStore: bus.taskStore(config.NAMESPACE),
    log,
    sparseLog,
    recentErrors,
    now,
  });
  const started = worker;
  const apply = (changed: WorkerConfig) => {
    checkPayload(changed, bus.maxPayloadBytes);
    started.change(changed);
    return {};
  };
  reload = new Reload({ file, log, config, live: liveSettings, parse: parseWorkerConfig, apply, answerFile: config.RELOAD_FILE });
  worker.start();
  log.info({ routes: loaded.routes.map(({ path }) => path) }, "worker ready");
  keepCompiled();
  notify.ready(() => `${started.connections.toLocaleString("en-US")} connections, release ${config.RELEASE}`, 2 * config.WORKER_TIMEOUT_MS);
}

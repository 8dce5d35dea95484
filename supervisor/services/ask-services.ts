// How a command asks an installation on systemd: it is the supervisor itself as long as it has the lock. Where another command
// has it, that one is asked, which may say no, or end its watch over a release.

import { onSignals } from "../../process/signals.ts";
import type { ControlRequest, Outcome } from "../control.ts";
import { askSupervisor, Cancelled, ControlServer, NotRunning } from "../control.ts";
import { DeployController } from "../deploy-controller.ts";
import { SettingsRefused } from "../every-setting.ts";
import { NatsUnreachable } from "../presence.ts";
import type { OnStep } from "../steps.ts";
import { Journal } from "./command-journal.ts";
import { layout } from "./layout.ts";
import { Locked, withLock } from "./lock.ts";
import { Services } from "./services.ts";
import { SystemdError } from "./systemd.ts";

/** @param clone Where releases are made of. */
export async function askServices<T>(clone: string, ask: ControlRequest, onStep: OnStep): Promise<Outcome<T>> {
  // What is made is for other users: not what root's own files would be.
  process.umask(0o022);
  try {
    if (ask.request === "status") return await answerStatus<T>(clone);
    return await withLock(ask.request, () => answer<T>(clone, ask, onStep));
  } catch (error) {
    if (error instanceof Locked) return (await askOther<T>(ask, onStep)) ?? failed(error.message);
    if (error instanceof SettingsRefused || error instanceof NatsUnreachable || error instanceof SystemdError) return failed(error.message);
    throw error;
  }
}

async function answer<T>(clone: string, ask: ControlRequest, onStep: OnStep): Promise<Outcome<T>> {
  const log = new Journal();
  const services = await Services.open({ clone, log });
  const deploys = new DeployController(services, log);
  const control = await ControlServer.listen(layout.run, deploys.answer);
  const cancelling = cancelOnSignals(services, () => {
    if (deploys.watchedUntil === null) return;
    const until = new Date(deploys.watchedUntil).toLocaleTimeString("en-GB");
    onStep(`the new release is active, and watched until ${until}; Ctrl-C again ends the watch, npm run rollback-worker goes back`, "note");
  });
  try {
    return (await deploys.answer(ask, onStep, cancelling.signal)) as Outcome<T>;
  } finally {
    cancelling.forget();
    control.close();
    await services.close();
    log.close();
  }
}

/** Who deploys knows that it does. */
async function answerStatus<T>(clone: string): Promise<Outcome<T>> {
  const other = await askOther<T>({ request: "status" }, () => undefined);
  if (other !== undefined) return other;
  const log = new Journal();
  const services = await Services.open({ clone, log });
  try {
    return { ok: true, result: (await services.status({ deploying: null, watchedUntil: null })) as T };
  } finally {
    await services.close();
    log.close();
  }
}

/** @returns undefined where no command with the lock answers: an installation has it, or one that has just begun. */
async function askOther<T>(ask: ControlRequest, onStep: OnStep): Promise<Outcome<T> | undefined> {
  try {
    return await askSupervisor<T>(layout.run, ask, onStep);
  } catch (error) {
    if (error instanceof NotRunning) return undefined;
    throw error;
  }
}

/** The first signal gives up what is not activated yet, the second one ends the watch. @param onFirst Says so. */
function cancelOnSignals(services: Services, onFirst: () => void): { signal: AbortSignal; forget: () => void } {
  const cancelling = new AbortController();
  const forget = onSignals((_signal, isRepeated) => {
    if (isRepeated) services.end();
    else onFirst();
    cancelling.abort(new Cancelled("the command was ended"));
  });
  return { signal: cancelling.signal, forget };
}

function failed<T>(error: string): Outcome<T> {
  return { ok: false, error, problems: [] };
}

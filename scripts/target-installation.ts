// Which installation a command is meant for: the one that `npm start` runs in this clone, or the services of this machine.

import { askSupervisor, type ControlRequest, NotRunning, type Outcome } from "../supervisor/control.ts";
import { askServices } from "../supervisor/services/ask-services.ts";
import { isInstalled } from "../supervisor/services/layout.ts";
import type { OnStep } from "../supervisor/steps.ts";
import { cacheFolder, clone } from "./setup/cache.mjs";

export type TargetName = "local" | "services";

export interface Target {
  /** For people. */
  readonly name: string;
  readonly isLocal: boolean;
  /**
   * @param signal Breaks off, where it is local.
   * @throws {NotRunning}
   */
  ask<T>(request: ControlRequest, onStep: OnStep, signal?: AbortSignal): Promise<Outcome<T>>;
}

export interface TargetOptions {
  /** Its name, to be typed again. */
  readonly command: string;
  /** undefined: whichever is there. */
  readonly wanted: TargetName | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** There are services, and this user may not touch them. */
export class NotRoot extends Error {}

/**
 * What runs in this clone goes before the services.
 * @throws {NotRoot}
 */
export async function findTarget({ command, wanted, env }: TargetOptions): Promise<Target> {
  const folder = cacheFolder(env);
  const isLocal = wanted === "local" || (wanted === undefined && (!isInstalled() || (await isServed(folder))));
  if (isLocal) {
    return {
      name: `npm start in ${clone}`,
      isLocal: true,
      ask: (request, onStep, signal) => askSupervisor(folder, request, onStep, signal),
    };
  }
  if (process.getuid?.() !== 0) {
    throw new NotRoot(
      `thinstate runs as services of this machine: sudo npm run ${command}\nFor npm start in this clone: npm run ${command} -- --local`,
    );
  }
  return { name: "the services of this machine", isLocal: false, ask: (request, onStep) => askServices(clone, request, onStep) };
}

async function isServed(folder: string): Promise<boolean> {
  try {
    await askSupervisor(folder, { request: "status" }, () => undefined);
    return true;
  } catch (error) {
    if (error instanceof NotRunning) return false;
    throw error;
  }
}

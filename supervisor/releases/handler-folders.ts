// Where a release's handlers are.

import { stat } from "node:fs/promises";
import { isAbsolute, join, normalize, resolve } from "node:path";
import { ReleaseError } from "./refusal.ts";

export interface HandlerFolders {
  /** Relative to the clone, or to the release. */
  readonly handlersDir: string;
  /** Of the demos, where they are served; likewise. A handler of `handlersDir` takes the place of a demo with the same path. */
  readonly demosDir?: string | undefined;
}

/** The folder whose handlers win comes first. */
export function handlerFolders({ handlersDir, demosDir }: HandlerFolders): string[] {
  return demosDir === undefined ? [handlersDir] : [handlersDir, demosDir];
}

/** What tells a worker where they are. @param folder Of the release. */
export function handlerSettings(folder: string, { handlersDir, demosDir }: HandlerFolders): Record<string, string> {
  return { HANDLERS_DIR: resolve(folder, handlersDir), DEMOS_DIR: demosDir === undefined ? "" : resolve(folder, demosDir) };
}

/** @throws {ReleaseError} where one is missing, or outside of the clone. */
export async function checkFolders(clone: string, folders: HandlerFolders): Promise<void> {
  for (const folder of handlerFolders(folders)) {
    if (isAbsolute(folder) || normalize(folder).startsWith("..")) {
      throw new ReleaseError([{ file: folder, text: "the folder of handlers must be inside the clone" }]);
    }
    const found = await stat(join(clone, folder)).catch(() => undefined);
    if (found?.isDirectory() === true) continue;
    const isOfDemos = folder === folders.demosDir;
    const text = isOfDemos ? "the folder of the demos does not exist: DEMOS=0 does without it" : "the folder of handlers does not exist";
    throw new ReleaseError([{ file: folder, text }]);
  }
}

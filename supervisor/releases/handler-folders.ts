// Where a release's handlers are.

import { resolve } from "node:path";

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

// Tells of changes to anything that a release would be made of: the handlers, what they may import from elsewhere in the clone, and
// files that are only linked into it. Other changes are told, too: whoever asks compares hashes.

import { type FSWatcher, watch } from "node:fs";
import { relative } from "node:path";
import { FolderWatch } from "./folder-watch.ts";
import { type HandlerFolders, handlerFolders } from "./handler-folders.ts";
import { ignoredFolders, whyNeverInRelease } from "./sources.ts";

export interface SourceWatchOptions extends HandlerFolders {
  readonly clone: string;
  readonly onChange: () => void;
  /** A folder cannot be watched. */
  readonly onFault: (error: Error) => void;
}

export class SourceWatch {
  private readonly options: SourceWatchOptions;
  /** Outside of the clone, or where nothing is watched otherwise. */
  private readonly linked = new Map<string, FSWatcher>();

  private constructor(options: SourceWatchOptions, ignored: ReadonlySet<string>) {
    this.options = options;
    const { clone, onChange, onFault } = options;
    const handlers = handlerFolders(options);
    const isWanted = (folder: string) => isPartOf(relative(clone, folder), { handlers, ignored });
    new FolderWatch({ folder: clone, root: clone, isWanted, onChange, onFault });
  }

  static async begin(options: SourceWatchOptions): Promise<SourceWatch> {
    return new SourceWatch(options, new Set(await ignoredFolders(options.clone)));
  }

  /** Watches these folders besides, each without those in it, and no more those that it was told of before. */
  alsoWatch(folders: readonly string[]): void {
    for (const [folder, watcher] of this.linked) {
      if (folders.includes(folder)) continue;
      watcher.close();
      this.linked.delete(folder);
    }
    for (const folder of folders) {
      if (this.linked.has(folder)) continue;
      try {
        const watcher = watch(folder, () => this.options.onChange());
        watcher.on("error", this.options.onFault);
        this.linked.set(folder, watcher);
      } catch (error) {
        this.options.onFault(error as Error);
      }
    }
  }
}

/** What git ignores may change all the time, and node_modules is large. All in the folder of handlers is served, ignored or not. */
function isPartOf(folder: string, { handlers, ignored }: { handlers: readonly string[]; ignored: ReadonlySet<string> }): boolean {
  if (/(^|\/)(node_modules|\.git)$/.test(folder)) return false;
  const isOfHandlers = handlers.some((of) => `${of}/`.startsWith(`${folder}/`) || `${folder}/`.startsWith(`${of}/`));
  return isOfHandlers || (whyNeverInRelease(folder) === undefined && !ignored.has(folder));
}

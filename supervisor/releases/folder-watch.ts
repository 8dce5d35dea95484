// Tells of changes anywhere in a folder. Node's own recursive watch loses, on Linux, a file that is unlinked and created again, which
// is how git and many editors save. Here every folder has a watcher of its own: it sees names, whatever file they lead to.

import { type FSWatcher, readdirSync, watch } from "node:fs";
import { dirname, join } from "node:path";

export interface FolderWatchOptions {
  /** Absolute. It, and the folders above it, may go and come again. */
  readonly folder: string;
  /** A folder above it that stays. */
  readonly root: string;
  /** Whether a folder in it counts, with all that is in that. */
  readonly isWanted?: (folder: string) => boolean;
  readonly onChange: () => void;
  /** A folder cannot be watched. */
  readonly onFault: (error: Error) => void;
}

export class FolderWatch {
  private readonly options: FolderWatchOptions;
  private readonly watchers = new Map<string, FSWatcher>();

  constructor(options: FolderWatchOptions) {
    this.options = options;
    this.cover(options.root);
  }

  close(): void {
    this.forget(this.options.root);
  }

  /** Watches a folder and all in it that are not watched yet. Those in it are looked for last: one may come meanwhile. */
  private cover(folder: string): void {
    try {
      if (!this.watchers.has(folder)) this.begin(folder);
      for (const inner of this.foldersIn(folder)) this.cover(inner);
    } catch (error) {
      // It has gone again; whatever it was in tells.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.options.onFault(error as Error);
    }
  }

  private begin(folder: string): void {
    const watcher = watch(folder, (event, name) => this.meet(folder, event, name));
    watcher.on("error", (error) => {
      this.forget(folder);
      this.options.onFault(error);
    });
    this.watchers.set(folder, watcher);
  }

  private meet(folder: string, event: "rename" | "change", name: string | null): void {
    if (this.isAbove(folder) && (event === "change" || (name !== null && join(folder, name) !== this.next(folder)))) return;
    // A folder of that name may be another one by now.
    if (event === "rename") for (const inner of name === null ? this.foldersIn(folder) : [join(folder, name)]) this.forget(inner);
    this.cover(folder);
    this.options.onChange();
  }

  /** Of one above ours: the next on the way. */
  private foldersIn(folder: string): string[] {
    if (this.isAbove(folder)) return [this.next(folder)];
    const { isWanted = () => true } = this.options;
    const entries = readdirSync(folder, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
    return folders.filter(isWanted);
  }

  private forget(folder: string): void {
    for (const [path, watcher] of this.watchers) {
      if (path !== folder && !path.startsWith(`${folder}/`)) continue;
      watcher.close();
      this.watchers.delete(path);
    }
  }

  private isAbove(folder: string): boolean {
    return this.options.folder.startsWith(`${folder}/`);
  }

  private next(folder: string): string {
    let path = this.options.folder;
    while (dirname(path) !== folder) path = dirname(path);
    return path;
  }
}

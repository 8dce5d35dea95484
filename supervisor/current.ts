// `current`, beside `releases`: a link to the release that serves, for people and for their scripts. What is read at a start is
// the record of the activation; the link follows it.

import { closeSync, fsyncSync, openSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Log } from "./log-display.ts";
import type { Release } from "./releases/release.ts";

const name = "current";

/**
 * Switches the link by one rename: whoever looks finds the release before or this one. Returns when it is on the disk. Where that
 * cannot be done it warns and goes on: the record names the release already, so a deploy that failed here would remove what the
 * next start looks for.
 * @param release whose folder is `<folder>/releases/<name>`; the link has the path from the folder that both are in.
 */
export function pointCurrent(release: Pick<Release, "id" | "folder">, log: Pick<Log, "event">): void {
  const releases = dirname(release.folder);
  const folder = dirname(releases);
  const link = join(folder, name);
  const target = release.folder.slice(folder.length + 1);
  try {
    replaceLink(link, target, join(folder, `.${name}-${process.pid}`));
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    const remedy = `Remove what is in its way, then: ln -sfn ${target} ${link}`;
    log.event("warn", `${link} cannot be pointed to release ${release.id}, which serves: ${reason}. ${remedy}`, { release: release.id });
  }
}

function replaceLink(link: string, target: string, fresh: string): void {
  rmSync(fresh, { force: true });
  try {
    symlinkSync(target, fresh);
    renameSync(fresh, link);
  } finally {
    rmSync(fresh, { force: true });
  }
  const descriptor = openSync(dirname(link), "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

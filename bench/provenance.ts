// Where and when figures were measured, and of which code.

import { cpus, release, type } from "node:os";
import { clone } from "../scripts/setup/cache.mjs";
import { revisionOf } from "../supervisor/releases/sources.ts";

export interface Provenance {
  /** As typed. */
  readonly command: string;
  /** "0ddc9eb", with a word about changes that were not committed. */
  readonly commit: string;
  /** ISO 8601, the day. */
  readonly date: string;
  readonly node: string;
  readonly cores: number;
  readonly cpu: string;
  readonly system: string;
}

export async function provenanceOf(args: readonly string[]): Promise<Provenance> {
  const { commit, dirty } = await revisionOf(clone);
  const [core] = cpus();
  return {
    command: ["npm run bench", ...(args.length === 0 ? [] : ["--", ...args])].join(" "),
    commit: `${commit?.slice(0, 7) ?? "unknown"}${dirty ? " with changes" : ""}`,
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    cores: cpus().length,
    cpu: core?.model.trim() ?? "unknown",
    system: `${type()} ${release()}`,
  };
}

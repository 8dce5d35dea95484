// The record of what is active, on disk: what serves again after a restart. Written before anybody is told.

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import type { Activation } from "../protocol/membership.ts";
import { replaceFileSync } from "./replace-file.ts";

const record = v.object({ release: v.pipe(v.string(), v.nonEmpty()), generation: v.pipe(v.number(), v.integer(), v.minValue(1)) });

/** @throws where the file is there and cannot be understood: which release should serve is then a person's decision. */
export function readActivation(file: string): Activation | undefined {
  try {
    return parseActivation(file, readFileSync(file, "utf8"));
  } catch (error) {
    return undefinedIfMissing(error);
  }
}

/** As `readActivation`, and holds up nobody while the disk is slow. */
export async function loadActivation(file: string): Promise<Activation | undefined> {
  try {
    return parseActivation(file, await readFile(file, "utf8"));
  } catch (error) {
    return undefinedIfMissing(error);
  }
}

/** Returns when it is on the disk; a crash leaves the old record or the new one. Everybody may read it. A trial ends with who watches it. */
export function writeActivation(file: string, { release, generation }: Activation): void {
  replaceFileSync(file, `${JSON.stringify({ release, generation })}\n`, 0o644);
}

function parseActivation(file: string, text: string): Activation {
  try {
    return v.parse(record, JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} does not say which release is active. Remove it to start from the working tree.`, { cause });
  }
}

function undefinedIfMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

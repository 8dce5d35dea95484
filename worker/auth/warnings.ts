// What the ready-made ways warn of. A handler makes them where its module begins, where there is no log: so the worker listens.

import { channel } from "node:diagnostics_channel";

export interface AuthWarning {
  /** From a set that clients cannot make larger. */
  readonly text: string;
  readonly error: unknown;
}

const warnings = channel("thinstate:auth");

export function warn(text: string, error: unknown): void {
  warnings.publish({ text, error } satisfies AuthWarning);
}

export function onWarning(listener: (warning: AuthWarning) => void): void {
  warnings.subscribe((message) => listener(message as AuthWarning));
}

// Python, with packages that only Debian's own has, or only another one.

import { spawnSync } from "node:child_process";

/** Debian's own Python has Debian's packages. */
const pythons = ["/usr/bin/python3", "python3"];

/** @returns the program; undefined where none has the package. In CI what is missing fails. */
export function pythonWith(name: string): string | undefined {
  const found = pythons.find((each) => spawnSync(each, ["-c", `import ${name}`]).status === 0);
  return found ?? (process.env.CI ? "python3" : undefined);
}

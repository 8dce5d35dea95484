// Every file of a machine, as far as an installation could have made it: what it is, whose, and where it leads.

import type { Machine } from "./machine.ts";

/** Not files on a disk, what runs writes anew (at midnight, too), our clone, and what the test itself needs. */
const passedOver = [
  "/proc",
  "/sys",
  "/dev",
  "/run",
  "/tmp",
  "/var/tmp",
  "/srv",
  "/var/log",
  "/var/cache",
  "/var/backups",
  "/var/lib/systemd",
];
/** Copies that the system keeps of its own files whenever a user comes or goes. */
const backups = /^\S+ \S+ \S+ \/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-|\/etc\/\.pwd\.lock /;

/** Type, mode, owner, path and link target, one a line. */
export async function listing(machine: Machine): Promise<string[]> {
  const prune = passedOver.flatMap((path, index) => [...(index === 0 ? [] : ["-o"]), "-path", path]);
  const text = await machine.run("find", "/", "(", ...prune, ")", "-prune", "-o", "-printf", "%y %m %u:%g %p %l\\n");
  return text
    .split("\n")
    .filter((line) => line !== "" && !backups.test(line))
    .sort();
}

/** Who may log in or own something. */
export function accounts(machine: Machine): Promise<string> {
  return machine.run("cat", "/etc/passwd", "/etc/group");
}

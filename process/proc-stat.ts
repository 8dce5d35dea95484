/**
 * What Linux tells of a process behind its name, which stands in brackets and may hold anything: its state, its parent, its group,
 * its session … Source: proc_pid_stat(5).
 * @param stat The text of /proc/<pid>/stat.
 */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

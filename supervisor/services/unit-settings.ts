// Reads a unit and its drop-ins by systemd's rules: comments, lines that go on, blanks around `=`, resets by an empty value.
// Source: systemd.syntax(7), systemd.unit(5).

export interface UnitSetting {
  readonly name: string;
  /** Without the blanks around it; never empty but where `emptyMeansNone` says so. */
  readonly value: string;
}

/** For these, an empty value is no return to the default. Source: systemd.exec(5). */
const emptyMeansNone = new Set(["CapabilityBoundingSet"]);

/**
 * @param text As `systemctl cat` prints it: files one after the other, later ones take precedence.
 * @returns What holds in a section, in order; a setting may come several times.
 */
export function unitSettings(text: string, section: string): UnitSetting[] {
  let settings: UnitSetting[] = [];
  let current = "";
  for (const line of logicalLines(text)) {
    const header = /^\[(.+)\]\s*$/.exec(line)?.[1];
    if (header !== undefined) current = header;
    const [, name, value = ""] = /^([^=]+?)\s*=\s*(.*?)\s*$/s.exec(line) ?? [];
    if (header !== undefined || name === undefined || current !== section) continue;
    if (value === "") settings = settings.filter((setting) => setting.name !== name);
    if (value !== "" || emptyMeansNone.has(name)) settings.push({ name, value });
  }
  return settings;
}

/** Words of a value with several, in the quotes that they have. */
export function wordsOf(value: string): string[] {
  return value.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+/gs) ?? [];
}

/** Comments may stand between the parts of a line. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let begun = "";
  for (const raw of text.split("\n")) {
    const part = raw.trimStart();
    if (/^[#;]/.test(part)) continue;
    const goesOn = (/\\+$/.exec(part)?.[0].length ?? 0) % 2 === 1;
    begun += goesOn ? `${part.slice(0, -1)} ` : part;
    if (goesOn) continue;
    lines.push(begun);
    begun = "";
  }
  return [...lines, begun];
}

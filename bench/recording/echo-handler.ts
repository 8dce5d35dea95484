// The handler of which pictures are made: its answers say which version of it they are from.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const handlersDir = "worker/handlers";

/** Commits an echo handler with its version before each answer. */
export function writeHandler(checkout: string, version: "old" | "new"): void {
  const text = `import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/echo",
  onMessage(conn, message) {
    conn.send(\`${version} \${message.text()}\`);
  },
});
`;
  commit(checkout, "echo.ts", text, `Echo, ${version}`);
}

/** Commits a handler that throws whenever it is asked. */
export function writeBrokenHandler(checkout: string): void {
  // In JavaScript: types would not let it.
  const text = `import { defineHandler } from "../handler.ts";

const reports = {};

export default defineHandler({
  path: "/report",
  onRequest() {
    return Response.json({ rows: reports.today.rows.length });
  },
});
`;
  commit(checkout, "report.js", text, "Reports");
}

function commit(checkout: string, file: string, text: string, message: string): void {
  writeFileSync(join(checkout, handlersDir, file), text);
  const author = ["-c", "user.name=thinstate", "-c", "user.email=thinstate@localhost"];
  execFileSync("git", ["add", join(handlersDir, file)], { cwd: checkout });
  execFileSync("git", [...author, "commit", "--quiet", "--no-verify", "--all", `--message=${message}`], { cwd: checkout });
}

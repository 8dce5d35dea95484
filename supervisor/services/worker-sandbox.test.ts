import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clone } from "../../scripts/setup/cache.mjs";
import { sandboxOf } from "./worker-sandbox.ts";

const unit = readFileSync(join(clone, "systemd", "thinstate-worker@.service"), "utf8");

test("the trial of handlers has the workers' user, environment and restrictions, and nothing of how a worker is run", () => {
  const properties = sandboxOf(`# /etc/systemd/system/thinstate-worker@.service\n${unit}`);
  const [, hardening = ""] = unit.split("\nCapabilityBoundingSet=");
  const restrictions = `CapabilityBoundingSet=${hardening}`
    .split("\n\n[Install]")[0]
    ?.split("\n")
    .filter((line) => !line.startsWith("#"));
  expect(properties).toEqual(expect.arrayContaining(restrictions ?? []));
  expect(properties).toEqual(
    expect.arrayContaining([
      "User=thinstate-worker",
      "Environment=NODE_ENV=production LOADER=tsx",
      "Environment=SETTINGS_FILE=/etc/thinstate/thinstate.env SHARED_DIR=/var/lib/thinstate/shared",
      "EnvironmentFile=-/etc/thinstate/worker.env",
      "MemoryMax=75%",
    ]),
  );
  expect(properties.join("\n")).not.toMatch(/^(Exec|Restart|Type|Watchdog|Notify|Kill|Timeout|Runtime|Working|LoadCredential)/m);
});

test("so are the administrator's changes, and what only an instance of the template understands is left out", () => {
  const dropIn = `[Unit]
Description=x
[Service]
ReadWritePaths=/srv/a \\
  /srv/%i
BindPaths=/srv/b
Environment=A=1 B=%i C=50%%
Environment="D=%t"
Environment=E=%d/E
LoadCredential=X:/x
[Install]
User=root`;
  expect(sandboxOf(dropIn)).toEqual(["BindPaths=/srv/b", "Environment=A=1 C=50%"]);
});

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

test("so are the administrator's changes, and of what lets workers do more, only what an instance understands is left out", () => {
  const dropIn = `[Unit]
Description=x
[Service]
ReadWritePaths=/srv/a \\
  /srv/%i
BindPaths=/srv/%n
Environment=A=1 B=%i C=50%%
Environment="D=%t/x y" "E=%d/E"
Environment=F=%d/F
LoadCredential=X:/x
[Install]
User=root`;
  expect(sandboxOf(dropIn)).toEqual(["ReadWritePaths=/srv/a", "Environment=A=1 C=50%", 'Environment="D=/run/x y"']);
});

test("a restriction that only an instance understands is refused, with its name", () => {
  expect(() => sandboxOf("[Service]\nInaccessiblePaths=/srv/secret /srv/%i")).toThrow(
    /^thinstate-worker@\.service: InaccessiblePaths=\/srv\/secret \/srv\/%i means/,
  );
});

const tightened = [
  "AppArmorProfile=thinstate",
  "SELinuxContext=system_u:system_r:thinstate_t:s0",
  "SmackProcessLabel=thinstate",
  "DevicePolicy=closed",
  "DeviceAllow=/dev/null rw",
  "DeviceAllow=/dev/zero r",
  "RootDirectory=/srv/jail",
  "RootImage=/srv/jail.raw",
  "NetworkNamespacePath=/run/netns/workers",
  "DynamicUser=yes",
  "KeyringMode=private",
  "SecureBits=noroot",
  "MountFlags=slave",
  "MountAPIVFS=yes",
  "MemoryDenyWriteExecute=no",
  "RestrictFileSystems=~tmpfs",
  "RestrictNetworkInterfaces=lo",
  "CPUAffinity=0",
  "CPUQuota=50%",
  "IOSchedulingClass=idle",
  "Slice=workers.slice",
  "DisableControllers=io",
  "ExecSearchPath=/usr/bin",
  "Personality=x86-64",
  "PAMName=thinstate",
];

test.each(tightened)("of what an administrator may tighten, nothing is lost: %s", (line) => {
  expect(sandboxOf(`[Service]\n${line.replace("=", " = ")}\n`)).toEqual([line]);
});

test.each([
  "ExecStartPre=-/bin/x",
  "RuntimeDirectoryMode=0700",
  "TimeoutStartSec=1",
  "StandardOutput=null",
  "LogNamespace=x",
  "OnFailure=x",
])("what concerns how a worker starts, ends and logs is left out: %s", (line) => {
  const section = line.startsWith("On") ? "Unit" : "Service";
  expect(sandboxOf(`[${section}]\n${line}\n`)).toEqual([]);
});

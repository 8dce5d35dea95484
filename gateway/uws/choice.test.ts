import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { adviceOn, chooseBuild, findBinary, thisMachine } from "./choice.mjs";

type Machine = ReturnType<typeof thisMachine>;

const debian12: Machine = { nodeMajor: 20, platform: "linux", arch: "x64", glibc: "2.36" };
const debian13: Machine = { ...debian12, glibc: "2.41" };
const macos: Machine = { nodeMajor: 24, platform: "darwin", arch: "arm64", glibc: undefined };

test.each([
  ["Node 22 on Debian 13", { ...debian13, nodeMajor: 22 }, "@uwsjs/linux-x64-22/uws.node"],
  ["Node 24 on Ubuntu 24.04", { ...debian13, nodeMajor: 24, glibc: "2.39" }, "@uwsjs/linux-x64-24/uws.node"],
  ["Node 24 with the least glibc", { ...debian13, nodeMajor: 24, glibc: "2.38" }, "@uwsjs/linux-x64-24/uws.node"],
  ["Node 26 on arm64", { ...debian13, nodeMajor: 26, arch: "arm64" }, "@uwsjs/linux-arm64-26/uws.node"],
  ["Node 24 on macOS", macos, "@uwsjs/darwin-arm64-24/uws.node"],
])("%s gets 20.69", (_, machine, binary) => {
  expect(chooseBuild(machine)).toMatchObject({ version: "20.69", binary });
});

test.each([
  ["Node 20 on Debian 12", debian12, "uWebSockets.js-20.30/binaries/uws_linux_x64_115.node", " on Debian 13 or Ubuntu 24.04"],
  ["Node 20 on Debian 13", debian13, "uWebSockets.js-20.30/binaries/uws_linux_x64_115.node", ""],
  ["Node 20 on macOS", { ...macos, nodeMajor: 20 }, "uWebSockets.js-20.30/binaries/uws_darwin_arm64_115.node", ""],
])("%s gets 20.30, and hears what gets it a newer one", (_, machine, binary, where) => {
  const build = chooseBuild(machine);
  expect(build).toMatchObject({ version: "20.30", binary, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  if (typeof build !== "string") expect(adviceOn(build, machine)).toContain(`Node 24${where} gets 20.69.`);
});

test.each([
  ["Node 24 on Debian 12", { ...debian12, nodeMajor: 24 }, "use Node 20 here, or Node 24 on Debian 13 or Ubuntu 24.04 (glibc 2.38)"],
  ["Node 18 on Debian 12", { ...debian12, nodeMajor: 18 }, "use Node 20 here"],
  ["Node 21", { ...debian13, nodeMajor: 21 }, "has no build for Node 21: use Node 24."],
  ["Node 25 on macOS", { ...macos, nodeMajor: 25 }, "has no build for Node 25: use Node 24."],
  ["Node 28", { ...debian13, nodeMajor: 28 }, "has no build for Node 28: use Node 24."],
  ["Alpine", { ...debian13, nodeMajor: 24, glibc: undefined }, "needs glibc"],
  ["Windows", { ...macos, platform: "win32", arch: "x64" }, "use Linux or macOS"],
  ["a 32-bit Raspberry Pi", { ...debian12, arch: "arm" }, "on x64 or arm64"],
])("%s gets none, and hears what to do", (_, machine, what) => {
  expect(chooseBuild(machine)).toContain(what);
});

test("a build whose hash nobody knows is told of; where all is well, nothing is", () => {
  const build = { version: "20.69", binary: "@uwsjs/darwin-arm64-24/uws.node" } as const;
  expect(adviceOn({ ...build, sha256: undefined }, macos)).toContain("SECURITY.md");
  expect(adviceOn({ ...build, sha256: "0".repeat(64) }, macos)).toBeUndefined();
});

test("this machine's build is installed", () => {
  const build = chooseBuild(thisMachine());
  if (typeof build === "string") expect.fail(build);
  expect(findBinary(build)).toBeDefined();
});

test("the lock file knows each package that may be chosen", () => {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, { optional?: boolean }> };
  for (const [platform, glibc] of [
    ["linux", "2.38"],
    ["darwin", undefined],
  ] as const) {
    for (const arch of ["x64", "arm64"]) {
      for (const nodeMajor of [20, 22, 24, 26]) {
        const build = chooseBuild({ nodeMajor, platform, arch, glibc });
        if (typeof build === "string") expect.fail(build);
        const name = build.binary.split("/").slice(0, build.binary.startsWith("@") ? 2 : 1);
        expect(packages[`node_modules/${name.join("/")}`]).toBeDefined();
      }
    }
  }
});

import { expect, test } from "vitest";
import { differingPackages, productionPackages } from "./packages.mjs";

const platform = { os: "linux", cpu: "x64", libc: "glibc" };

test("an installed tree that has what the lock file names needs nothing", () => {
  const locked = { "": {}, "node_modules/tsx": { version: "4.1.0" } };
  expect(differingPackages(locked, { "node_modules/tsx": { version: "4.1.0" } }, platform)).toEqual([]);
});

test("a missing package and one of another version are found", () => {
  const locked = { "node_modules/tsx": { version: "4.1.0" }, "node_modules/pino": { version: "10.0.0" } };
  expect(differingPackages(locked, { "node_modules/pino": { version: "9.0.0" } }, platform)).toEqual([
    "node_modules/tsx",
    "node_modules/pino",
  ]);
});

test("an optional package is wanted only where it is for this platform", () => {
  const locked = {
    "node_modules/@esbuild/linux-x64": { version: "1.0.0", optional: true, os: ["linux"], cpu: ["x64"] },
    "node_modules/@esbuild/darwin-arm64": { version: "1.0.0", optional: true, os: ["darwin"], cpu: ["arm64"] },
    "node_modules/a-musl": { version: "1.0.0", optional: true, os: ["linux"], cpu: ["x64"], libc: ["musl"] },
    "node_modules/bufferutil": { version: "4.0.7", optional: true },
  };
  expect(differingPackages(locked, {}, platform)).toEqual(["node_modules/@esbuild/linux-x64"]);
});

test("a binary of uWebSockets.js for another Node is not missed", () => {
  const locked = { "node_modules/@uwsjs/linux-x64-26": { version: "20.69.0", optional: true, os: ["linux"], cpu: ["x64"] } };
  expect(differingPackages(locked, {}, platform)).toEqual([]);
});

test("without development packages, what `npm ci --omit=dev` installs is all that is wanted", () => {
  const locked = {
    "": {},
    "node_modules/tsx": { version: "4.1.0" },
    "node_modules/vitest": { version: "4.0.0", dev: true },
    "node_modules/detect-libc": { version: "2.0.0", devOptional: true },
  };
  expect(differingPackages(productionPackages(locked), {}, platform)).toEqual(["node_modules/tsx"]);
});

// Which build of uWebSockets.js this machine gets; nothing is loaded here. Plain JavaScript that imports nothing of ours: the
// set-up asks it, too, before anything is installed.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Machine
 * @property {number} nodeMajor
 * @property {string} platform as process.platform says it
 * @property {string} arch as process.arch says it
 * @property {string | undefined} glibc "2.36"; undefined where there is none
 */

/**
 * @typedef {object} Build
 * @property {"20.30" | "20.69"} version of uWebSockets.js. 20.30 needs work-arounds
 * @property {string} binary its path within node_modules
 * @property {string | undefined} sha256 of the binary, in hex; undefined where our table does not have it yet
 */

/** 20.69 has builds for these, 20.30 for Node 20. */
const newMajors = [22, 24, 26];
/** What the builds were linked with. */
const leastGlibc = { "20.30": "2.27", 20.69: "2.38" };
const newSystems = "Debian 13 or Ubuntu 24.04";

/**
 * SHA-256 of each binary, by its package or, in 20.30, by its name. SECURITY.md says where they come from, how to compare them
 * with what upstream has published, and how to complete the table.
 * @type {Readonly<Record<string, string>>}
 */
const hashes = {
  "@uwsjs/linux-x64-22": "34d235864db874fbf3aeafd48b63f6fb80f61fb584a86f1e5f7b0291dbd7a3d4",
  "@uwsjs/linux-x64-24": "177efdc682425d754474bd30f9586c487fa6694f790f3406a23885d0e61c07a0",
  "@uwsjs/linux-x64-26": "604375741bf77780b34e7e299af9274cb1f56d73732201d19e3d8d8448176795",
  "uws_linux_x64_115.node": "f158fb441f7e2e37b3ab9a56782fe37f4c0d33b5cd32e96ee5c0120ce7db7ced",
  "uws_linux_arm64_115.node": "fa46518766a985c6a79daef039f40cccd8e98e9a288f2ceaf31a0a18901bbfd5",
  "uws_darwin_x64_115.node": "cdb95fb0b602155506b5430791c0dce4341ec1268ff23bdace8f1c77e306e4f7",
  "uws_darwin_arm64_115.node": "2a3aff854929518a3bc066527340ab0fc47c970cda4cdbb86f5d65b03ee83885",
};

/** @returns {Machine} */
export function thisMachine() {
  const { report, platform, arch, versions } = process;
  // Else the report asks the network for names of all interfaces.
  /** @type {{ excludeNetwork?: boolean }} */ (report).excludeNetwork = true;
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (report.getReport());
  return { nodeMajor: majorOf(versions.node), platform, arch, glibc: header.glibcVersionRuntime };
}

/**
 * @param {Machine} machine
 * @returns {Build | string} Why there is none and what to do, for people, where no build fits.
 */
export function chooseBuild({ nodeMajor, platform, arch, glibc }) {
  const isNew = glibc === undefined || isAtLeast(glibc, leastGlibc["20.69"]);
  if (!["linux", "darwin"].includes(platform) || !["x64", "arm64"].includes(arch)) {
    return `uWebSockets.js does not support ${platform} ${arch}: use Linux or macOS on x64 or arm64.`;
  }
  if (platform === "linux" && glibc === undefined) {
    return `uWebSockets.js needs glibc, and this Linux has another C library, as Alpine does: use ${newSystems}.`;
  }
  if (nodeMajor === 20 && (glibc === undefined || isAtLeast(glibc, leastGlibc["20.30"]))) {
    const name = `uws_${platform}_${arch}_115.node`;
    return { version: "20.30", binary: `uWebSockets.js-20.30/binaries/${name}`, sha256: hashes[name] };
  }
  if (newMajors.includes(nodeMajor) && isNew) {
    const name = `@uwsjs/${platform}-${arch}-${nodeMajor}`;
    return { version: "20.69", binary: `${name}/uws.node`, sha256: hashes[name] };
  }
  if (isNew) return `uWebSockets.js has no build for Node ${nodeMajor}: use Node 24.`;
  return `uWebSockets.js has no build for Node ${nodeMajor} with glibc ${glibc}: use Node 20 here, or Node 24 on ${newSystems} (glibc 2.38).`;
}

/**
 * What a start says of the build, one line; undefined where it is the right one.
 * @param {Build} build
 * @param {Machine} machine
 */
export function adviceOn({ version, sha256, binary }, { glibc }) {
  if (version === "20.30") {
    const where = glibc === undefined || isAtLeast(glibc, leastGlibc["20.69"]) ? "" : ` on ${newSystems}`;
    return `Node 20 gets uWebSockets.js 20.30, of 2023. Node 24${where} gets 20.69.`;
  }
  return sha256 === undefined ? `${binary} is loaded unchecked: its hash is not known. SECURITY.md says how to compare it.` : undefined;
}

/**
 * Looks into the file system each time: what Node's resolver has not found, it may not find after an installation either.
 * @param {Build} build
 * @returns {string | undefined} The path of its binary; undefined where it is not installed.
 */
export function findBinary({ binary }) {
  const file = fileURLToPath(new URL(`../../node_modules/${binary}`, import.meta.url));
  return existsSync(file) ? file : undefined;
}

/** @param {string} version */
function majorOf(version) {
  return Number(version.split(".")[0]);
}

/**
 * @param {string} version of two numbers
 * @param {string} least
 */
function isAtLeast(version, least) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

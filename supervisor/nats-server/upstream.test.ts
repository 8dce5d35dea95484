// A server on loopback plays upstream's: a whole archive, another one, one that is cut off, none, and silence.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { patienceMs, stretchedMs } from "../../testbed/patience.ts";
import { findNatsServer } from "./binary.ts";
import { type Archive, archiveOf, fetchFromUpstream } from "./upstream.ts";

const clone = join(import.meta.dirname, "..", "..");
const limits = { answerMs: patienceMs, silenceMs: patienceMs, mostBytes: 64 * 1024 * 1024 };
const version = "0.0.1";
const path = `/mirror/v${version}/nats-server-v${version}-linux-amd64.tar.gz`;

let made: string;
let bytes: Buffer;
let archive: Archive;
let folder: string;
const servers: Server[] = [];

beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), "thinstate-archive-"));
  const name = `nats-server-v${version}-linux-amd64`;
  mkdirSync(join(made, name));
  const executable = await findNatsServer({ folder: join(clone, ".thinstate", "nats"), environment: process.env });
  copyFileSync(executable, join(made, name, "nats-server"));
  chmodSync(join(made, name, "nats-server"), 0o755);
  execFileSync("tar", ["-czf", join(made, "archive"), "-C", made, name]);
  bytes = readFileSync(join(made, "archive"));
  archive = { version, platform: "linux-amd64", sha256: createHash("sha256").update(bytes).digest("hex") };
});

afterAll(() => rmSync(made, { recursive: true, force: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-fetch-"));
});

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

/** @returns Its URL. */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mirror/`;
}

function fetchIt(mirror: string, environment: NodeJS.ProcessEnv = {}, more: Partial<typeof limits> = {}) {
  const target = join(folder, "copy", "nats-server");
  return fetchFromUpstream({ archive, target, mirror, environment, limits: { ...limits, ...more } });
}

/** Nothing of an attempt that failed is left. */
function expectNothing(): void {
  expect(existsSync(join(folder, "copy")) ? readdirSync(join(folder, "copy")) : []).toEqual([]);
}

function expectNatsServer(): void {
  expect(execFileSync(join(folder, "copy", "nats-server"), ["--version"], { encoding: "utf8" })).toMatch(/^nats-server: v/);
  expect(readdirSync(join(folder, "copy"))).toEqual(["nats-server"]);
}

test("the archive lies where upstream's does, and becomes an executable that runs", async () => {
  const asked: (string | undefined)[] = [];
  const mirror = await serve((request, response) => {
    asked.push(request.url);
    response.end(bytes);
  });
  expect(await fetchIt(mirror)).toBeUndefined();
  expect(asked).toEqual([path]);
  expectNatsServer();
});

test("where none is on PATH, it is found in the folder of its version, and fetched once", async () => {
  let count = 0;
  const mirror = await serve((_, response) => {
    count++;
    response.end(bytes);
  });
  // The usual folders, which a machine may have one in, come before.
  const options = { folder, environment: { PATH: "/nowhere", NATS_SERVER_MIRROR: mirror }, archive };
  const found = await findNatsServer(options);
  if (count === 0) return expect(dirname(found)).not.toContain(folder);
  expect(found).toBe(join(folder, version, "nats-server"));
  expect(await findNatsServer(options)).toBe(found);
  expect(count).toBe(1);
});

test("redirects are followed", async () => {
  const mirror = await serve((request, response) => {
    if (request.url === path) return response.writeHead(302, { location: "/elsewhere?signed" }).end("moved");
    response.writeHead(request.url === "/elsewhere?signed" ? 200 : 404).end(bytes);
  });
  expect(await fetchIt(mirror)).toBeUndefined();
  expectNatsServer();
});

test("another file than upstream's is refused", async () => {
  const other = Buffer.from(bytes);
  other[other.length - 20] = (other.at(-20) as number) ^ 1;
  const mirror = await serve((_, response) => response.end(other));
  expect(await fetchIt(mirror)).toMatch(/^nats-server 0\.0\.1 could not be fetched from 127\.0\.0\.1:\d+: its SHA-256 is/);
  expectNothing();
});

test("a connection that is cut off in the middle is made again, for the rest", async () => {
  const ranges: (string | undefined)[] = [];
  const half = Math.floor(bytes.length / 2);
  const mirror = await serve((request, response) => {
    const { range } = request.headers;
    ranges.push(range);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, {
      "content-length": bytes.length - from,
      ...(from > 0 && { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (from > 0) return response.end(bytes.subarray(from));
    response.write(bytes.subarray(0, half), () => response.destroy());
  });
  expect(await fetchIt(mirror)).toBeUndefined();
  expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)]);
  expectNatsServer();
});

test("a server that knows no ranges sends all of it again", async () => {
  let count = 0;
  const mirror = await serve((_, response) => {
    response.writeHead(200, { "content-length": bytes.length });
    if (count++ > 0) return response.end(bytes);
    response.write(bytes.subarray(0, 100_000), () => response.destroy());
  });
  expect(await fetchIt(mirror)).toBeUndefined();
  expectNatsServer();
});

test("one that is cut off each time, or says that the rest is something else, is given up", async () => {
  let count = 0;
  const cutting = await serve((_, response) => {
    count++;
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, 1_000), () => response.destroy());
  });
  expect(await fetchIt(cutting)).toMatch(/the connection was cut off\.$/);
  expect(count).toBeLessThan(5);
  const confused = await serve((request, response) => {
    if (request.headers.range !== undefined) return response.writeHead(206, { "content-range": "bytes 0-9/10" }).end("0123456789");
    // Silent then: what has been sent is surely read.
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, 1_000));
  });
  expect(await fetchIt(confused, {}, { silenceMs: stretchedMs(1_000) })).toMatch(/the server answers 206\.$/);
  expectNothing();
});

test("what is not there is said at once", async () => {
  const mirror = await serve((_, response) => response.writeHead(404).end("no"));
  expect(await fetchIt(mirror)).toMatch(/the server answers 404\.$/);
  expectNothing();
});

test("silence is given up: before the answer, in the middle of it, and where nobody is", async () => {
  const silent = await serve(() => undefined);
  expect(await fetchIt(silent, {}, { answerMs: 1_000 })).toMatch(/no answer within 1 s\.$/);
  const stalling = await serve((_, response) => {
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, 1_000));
  });
  expect(await fetchIt(stalling, {}, { silenceMs: 1_000 })).toMatch(/the server was silent for 1 s\.$/);
  expect(await fetchIt("http://127.0.0.1:1")).toMatch(/ECONNREFUSED/);
  expectNothing();
});

test("more than it may have is not written to the disk", async () => {
  const mirror = await serve((_, response) => response.end(bytes));
  const target = join(folder, "copy", "nats-server");
  const few = { ...limits, mostBytes: 10_000 };
  expect(await fetchFromUpstream({ archive, target, mirror, environment: {}, limits: few })).toMatch(/larger than 10000 bytes\.$/);
  expectNothing();
});

test("a proxy that the environment names is asked, with its name and password", async () => {
  const asked: unknown[] = [];
  const proxy = await serve((request, response) => {
    asked.push([request.url, request.headers.host, request.headers["proxy-authorization"]]);
    response.end(bytes);
  });
  const { host } = new URL(proxy);
  expect(await fetchIt("http://mirror.example/mirror", { http_proxy: `http://ada:s%40ve@${host}` })).toBeUndefined();
  expect(asked).toEqual([[`http://mirror.example${path}`, "mirror.example", `Basic ${Buffer.from("ada:s@ve").toString("base64")}`]]);
  expectNatsServer();
});

test("https goes through a tunnel of the proxy, and a proxy that refuses is named", async () => {
  // What comes out of the tunnel is TLS, which the server at its end does not speak: that it arrives there is what counts.
  const arrived: Buffer[] = [];
  const target = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (chunk: Buffer) => {
      arrived.push(chunk);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  const asked: (string | undefined)[] = [];
  const proxy = new URL(await serve((_, response) => response.end()));
  let isOpen = true;
  servers.at(-1)?.on("connect", (request, socket) => {
    asked.push(request.url);
    socket.on("error", () => undefined);
    if (!isOpen) return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    const through = connect((target.address() as AddressInfo).port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(through).pipe(socket);
    });
    through.on("error", () => socket.destroy());
  });
  expect(await fetchIt("https://mirror.example", { HTTPS_PROXY: proxy.origin })).toMatch(/could not be fetched from mirror\.example/);
  expect(asked).toEqual(["mirror.example:443"]);
  // A ClientHello, with the name of the server that is meant.
  expect(arrived[0]?.[0]).toBe(22);
  expect(arrived[0]?.includes("mirror.example")).toBe(true);
  isOpen = false;
  expect(await fetchIt("https://mirror.example", { HTTPS_PROXY: proxy.origin })).toMatch(/the proxy 127\.0\.0\.1:\d+ answers 407\.$/);
  target.close();
});

test("every platform that uWebSockets.js has a binary for on Linux has a checksum", () => {
  for (const architecture of ["x64", "arm64"]) expect(archiveOf("linux", architecture)?.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(archiveOf("darwin", "arm64")).toBeUndefined();
});

import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";

test("an empty environment gives the documented defaults", () => {
  expect(parseConfig({}, "/clone")).toEqual({
    clone: "/clone",
    cacheFolder: expect.stringMatching(/\.thinstate$/),
    sharedDir: expect.stringMatching(/\.thinstate\/shared$/),
    host: "127.0.0.1",
    port: 8080,
    hasTls: false,
    adminPort: 9090,
    adminHost: "127.0.0.1",
    natsUrl: undefined,
    natsPort: 4222,
    natsSecurity: { NATS_CREDENTIALS_FILE: "", NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" },
    namespace: "thinstate",
    workers: 2,
    gateways: 1,
    handlersDir: "worker/handlers",
    demosDir: "examples/demos",
    warmMs: 30_000,
    watchMs: 5_000,
    checkTimeoutMs: 20_000,
    readyTimeoutMs: 30_000,
    workerTimeoutMs: 5_000,
    stopTimeoutMs: 10_000,
  });
});

test("the demos can be left out", () => {
  expect(parseConfig({ DEMOS: "0" }, "/clone").demosDir).toBeUndefined();
  expect(parseConfig({ HOST: "0.0.0.0" }, "/clone").demosDir, "nobody has asked for them to be public").toBeUndefined();
  expect(parseConfig({ HOST: "0.0.0.0", DEMOS: "1" }, "/clone").demosDir).toBe("examples/demos");
  expect(() => parseConfig({ DEMOS: "no" }, "/clone")).toThrow("DEMOS=no");
});

test("the config cannot be changed", () => {
  const config = parseConfig({}, "/clone") as { port: number };
  expect(() => {
    config.port = 1;
  }).toThrow(TypeError);
});

test("all mistakes are reported together, each with its variable, its value and what it may be", () => {
  const parse = () =>
    parseConfig(
      { PORT: "80 80", WORKERS: "-1", NAMESPACE: "a.>", HANDLERS_DIR: "../elsewhere", HOST: "::1", NATS_SERVER_MIRROR: "ftp://a" },
      "/clone",
    );
  expect(parse).toThrow("config.invalid");
  expect(parse).toThrow("PORT=80 80 is not a whole number from 0 to 65535");
  expect(parse).toThrow("WORKERS=-1 is not a whole number from 0 to 1000");
  expect(parse).toThrow("NAMESPACE=a.> is not letters");
  expect(parse).toThrow("NATS_SERVER_MIRROR=ftp://a is not http://… or https://…");
  expect(parse).toThrow("HANDLERS_DIR=../elsewhere is not a folder inside the clone");
  expect(parse).not.toThrow("HOST");
});

test.each([
  [{ PORT: "12005", ADMIN_PORT: "12005" }, "ADMIN_PORT=12005 is not clear of PORT=12005"],
  [{ PORT: "9091", GATEWAYS: "2", HOST: "0.0.0.0" }, "ADMIN_PORT=9090 is not clear of PORT=9091"],
  [{ ADMIN_PORT: "8079", GATEWAYS: "2", WORKERS: "0" }, "ADMIN_PORT=8079 is not clear of PORT=8080"],
  [{ ADMIN_PORT: "8080", ADMIN_HOST: "0.0.0.0" }, "ADMIN_PORT=8080 is not clear of PORT=8080"],
  [{ ADMIN_PORT: "8080", ADMIN_HOST: "::1", HOST: "::1" }, "ADMIN_PORT=8080 is not clear of PORT=8080"],
])("an admin port that is the clients' port is a mistake: %o", (environment, text) => {
  expect(() => parseConfig(environment, "/clone")).toThrow(text);
});

test.each([
  { PORT: "0", ADMIN_PORT: "0" },
  { PORT: "8080", ADMIN_PORT: "8080", ADMIN_HOST: "::1" },
  { PORT: "9091", GATEWAYS: "1" },
  { PORT: "9090", ADMIN_PORT: "9091" },
  { PORT: "9090", HOST: "192.0.2.1" },
])("ports may be next to each other, and the same on another address: %o", (environment) => {
  expect(parseConfig(environment, "/clone").port).toBe(Number(environment.PORT));
});

test.each(["/etc", ".", "..", "worker/../..", "/clone"])("HANDLERS_DIR %s is not inside the clone", (folder) => {
  expect(() => parseConfig({ HANDLERS_DIR: folder }, "/clone")).toThrow("HANDLERS_DIR");
});

test.each(["worker/handlers", "/clone/worker/handlers", "./worker/handlers/"])(
  "HANDLERS_DIR %s is kept relative to the clone",
  (folder) => {
    expect(parseConfig({ HANDLERS_DIR: folder }, "/clone").handlersDir).toBe("worker/handlers");
  },
);

// The admin port: its paths, where it listens, and what it counts of records that cannot be read.

import { afterEach, expect, test } from "vitest";
import { protocolVersion } from "../protocol/envelope.ts";
import { LinkHub } from "../protocol/link-hub.ts";
import { encodeAnnouncement } from "../protocol/membership.ts";
import { toGateway } from "../protocol/records.ts";
import { Installation } from "./installation.ts";
import { Exposition } from "./prometheus.ts";
import { RawClient } from "./raw-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem | Installation;

afterEach(() => (system instanceof TestSystem ? system.stop() : system.end()));

const paths = ["/healthz", "/readyz", "/status", "/metrics", "/metrics/workers", "/dashboard/uplot.js"];
const warning = "the admin port is not on loopback";

test("every path is answered, also with a query or a slash behind it, and nobody is warned of loopback", async () => {
  const running = await TestSystem.start();
  system = running;
  const base = `http://127.0.0.1:${running.gatewayHellos[0]?.adminPort}`;
  const status = async (path: string) => (await fetch(`${base}${path}`)).status;
  for (const path of paths) {
    for (const end of ["", "?x=1", "/", "/?x=1"]) expect(await status(`${path}${end}`), `${path}${end}`).toBe(200);
  }
  for (const path of ["/", "/?x=1"]) expect(await status(path), path).toBe(200);
  for (const path of ["/nowhere", "/healthz/x", "/toString", "/dashboard", "/dashboard/../admin.ts"])
    expect(await status(path), path).toBe(404);
  for (const { output } of running.processes) expect(output).not.toContain(warning);
});

// DNS rebinding: a page that a browser on this machine shows has the name of its own site lead to 127.0.0.1.
test("a Host of somebody else is refused on every path; addresses, localhost and those of HOSTS are answered", async () => {
  const running = await TestSystem.start({ environment: { HOSTS: "*.example.com" } });
  system = running;
  const port = running.gatewayHellos[0]?.adminPort ?? 0;
  const url = `http://127.0.0.1:${port}`;
  const ask = (path: string, host: string) => RawClient.until(url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, "\r\n\r\n");
  for (const path of [...paths, "/", "/dashboard/events"])
    expect(await ask(path, `evil.example:${port}`), path).toMatch(/^HTTP\/1\.1 421 Misdirected Request\r\n/);
  expect(await RawClient.until(url, "GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HOSTS")).not.toContain("counters");
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "[::1]", "gw1", "admin.example.com:1"]) {
    expect(await ask("/healthz", host), host).toMatch(/^HTTP\/1\.1 200 /);
  }
  // Health checks of load balancers.
  expect(await RawClient.until(url, "GET /healthz HTTP/1.0\r\n\r\n", "\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
});

test("ADMIN_HOST has it listen elsewhere, with a warning", async () => {
  const running = await TestSystem.start({ environment: { ADMIN_HOST: "0.0.0.0" } });
  system = running;
  const [gateway] = running.live("gateway");
  // Of 0.0.0.0 alone, every address of the loopback network is one.
  expect((await fetch(`http://127.0.0.2:${running.gatewayHellos[0]?.adminPort}/healthz`)).status).toBe(200);
  expect(gateway?.logged(warning)).toMatchObject([{ host: "0.0.0.0", port: running.gatewayHellos[0]?.adminPort }]);
});

test("npm start, npm run status and scraping work with it, and an address of another machine is refused", async () => {
  const installation = await Installation.cloned({ ADMIN_HOST: "127.0.0.3" });
  system = installation;
  const start = installation.start();
  await start.line(/^ready ws:/);
  const { gateways } = await installation.status();
  const metrics = await fetch(`http://127.0.0.3:${gateways[0]?.adminPort}/metrics/workers`);
  expect(await metrics.text()).toContain("thinstate_worker_up");
  await expect(fetch(`http://127.0.0.1:${gateways[0]?.adminPort}/metrics`)).rejects.toThrow();
  const refused = installation.start({ ADMIN_HOST: "192.0.2.1", THINSTATE_DIR: `${installation.cacheFolder}-2` });
  expect(await refused.exited).toBe(1);
  expect(refused.output).toContain("ADMIN_HOST=192.0.2.1 is not an address of this machine");
});

test("a record that cannot be read is in /status and has a metric", async () => {
  const running = await TestSystem.start();
  system = running;
  const { bus, subjects, gatewayHellos, workerHellos } = running;
  const [gateway] = gatewayHellos;
  const [worker] = workerHellos;
  if (gateway === undefined || worker === undefined) throw new Error("a gateway and a worker");
  const nothing = () => undefined;
  const hub = new LinkHub({
    self: "stranger",
    bus,
    subjects,
    now: () => performance.now(),
    onBatch: nothing,
    onStranger: nothing,
    onCredit: nothing,
    onLost: nothing,
  });
  bus.publish(subjects.members, encodeAnnouncement({ ...worker, id: "stranger", protocol: protocolVersion, release: "other" }));
  const link = hub.open(gateway.id);
  link.append({ type: toGateway.command, flags: 0, extra: 0, slot: 0, epoch: 0 }, Buffer.from("garbage"));
  hub.flush();
  await expect.poll(async () => ((await running.status()).counters as { malformed: number }).malformed, { timeout: 20_000 }).toBe(1);
  const metrics = await Exposition.of(gateway.adminPort, "/metrics");
  expect(metrics.sum("thinstate_malformed_records_total", { part: "record" })).toBe(1);
  expect(metrics.sum("thinstate_malformed_records_total", { part: "effect" })).toBe(0);
  hub.stop();
});

// Which pages may connect, on a running system: told to the page's developer, and once in the log.

import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusal, TestClient } from "./client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

/** @returns the status that a plain request gets, and its text. */
function ask(method: string, path: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  const body = ["GET", "HEAD", "OPTIONS"].includes(method) ? "" : "a body";
  // By itself Node does not tell the length of what a DELETE has.
  const length = body === "" ? {} : { "content-length": body.length };
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port: system.port, method, path, headers: { ...headers, ...length } }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: text.trimEnd() }));
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

describe("without HOSTS", () => {
  beforeAll(async () => {
    system = await TestSystem.start();
  });
  afterAll(() => system.stop());

  // Behind nginx without `proxy_set_header Host`, and Apache without ProxyPreserveHost, Host is where they ask.
  test("a page behind a proxy that does not pass Host on is refused, and told what to do; the log says it, too", async () => {
    const headers = { origin: "https://chat.example.com" };
    const own = `127.0.0.1:${system.port}`;
    for (let count = 0; count < 3; count++) {
      const { status, body } = await refusal(`${system.url}/echo`, { headers });
      expect(status).toBe(403);
      expect(body).toBe(
        `upgrade.origin: Origin is https://chat.example.com, allowed is ${own}, the Host header, as HOSTS is not set; if that is this site, have the proxy pass Host on, or set HOSTS=chat.example.com; if it is another one, name both in the handler's origins\n`,
      );
    }
    const [gateway] = system.live("gateway");
    await gateway?.says("upgrade.origin");
    expect(gateway?.logged("upgrade.origin")[0]).toMatchObject({ route: "/echo", fault: expect.stringContaining(own) });
  });

  test.each(["POST", "PUT", "PATCH", "DELETE"])("%s from another page is refused before its body is read, and counted", async (method) => {
    const { status, text } = await ask(method, "/gate/http", { origin: "https://example.org" });
    expect(status).toBe(403);
    expect(text).toBe("request.origin: Origin is https://example.org, allowed is https://example.com (origins of this handler)");
    const metrics = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
    expect(metrics.sum("thinstate_requests_total", { outcome: "request.origin" })).toBeGreaterThan(0);
  });

  test.each([
    ["POST", { origin: "https://example.com" }],
    ["POST", {}],
    ["GET", { origin: "https://example.org" }],
    ["HEAD", { origin: "https://example.org" }],
    ["OPTIONS", { origin: "https://example.org" }],
  ])("%s with %o is answered", async (method, headers) => {
    expect((await ask(method, "/gate/http", headers)).status).toBe(201);
  });

  test("a handler may refuse clients without an Origin, and name whole subdomains", async () => {
    expect(await refusal(`${system.url}/pages`)).toMatchObject({ status: 403, body: expect.stringContaining("requireOrigin") });
    expect((await ask("POST", "/pages")).status).toBe(403);
    expect((await ask("GET", "/pages")).status).toBe(200);
    const headers = { origin: "https://a.b.example.com" };
    await (await TestClient.open(`${system.url}/pages`, { headers })).close();
    expect((await ask("POST", "/pages", headers)).status).toBe(200);
    expect(await refusal(`${system.url}/pages`, { headers: { origin: "https://example.com" } })).toMatchObject({ status: 403 });
  });
});

describe("with HOSTS", () => {
  beforeAll(async () => {
    system = await TestSystem.start({ environment: { HOSTS: "example.com, *.example.com:8443", HOST: "0.0.0.0" } });
  });
  afterAll(() => system.stop());

  test("pages of these hosts connect, and no other, whatever Host says", async () => {
    for (const origin of ["https://example.com", "http://EXAMPLE.com:80", "https://chat.example.com:8443"]) {
      await (await TestClient.open(`${system.url}/echo`, { headers: { origin } })).close();
    }
    const own = `http://127.0.0.1:${system.port}`;
    for (const origin of [own, "https://chat.example.com", "https://example.com.evil.example"]) {
      const { status, body } = await refusal(`${system.url}/echo`, { headers: { origin } });
      expect({ status, body }).toEqual({
        status: 403,
        body: `upgrade.origin: Origin is ${origin}, allowed are example.com, *.example.com:8443 (HOSTS)\n`,
      });
    }
  });

  test("the start warns only without it, and only beyond loopback", async () => {
    const warning = "HOSTS is not set";
    expect(system.live("gateway")[0]?.output).not.toContain(warning);
    // At another port: one of another host would not share it.
    const other = await TestSystem.start({ workers: 0, environment: { HOST: "0.0.0.0" } });
    try {
      await other.live("gateway")[0]?.says(warning);
    } finally {
      await other.stop();
    }
  });
});

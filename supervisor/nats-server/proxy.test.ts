import { expect, test } from "vitest";
import { proxyOf } from "./proxy.ts";

const url = new URL("https://github.com/a");

test.each<[environment: Record<string, string>, proxy: string | undefined]>([
  [{}, undefined],
  [{ HTTPS_PROXY: "" }, undefined],
  [{ HTTPS_PROXY: "http://proxy:3128" }, "http://proxy:3128/"],
  [{ https_proxy: "http://ada:secret@proxy:3128", HTTPS_PROXY: "http://other" }, "http://ada:secret@proxy:3128/"],
  [{ all_proxy: "proxy:3128" }, "http://proxy:3128/"],
  [{ http_proxy: "http://proxy" }, undefined],
  [{ HTTPS_PROXY: "http://proxy", NO_PROXY: "*" }, undefined],
  [{ HTTPS_PROXY: "http://proxy", NO_PROXY: "localhost, github.com" }, undefined],
  [{ HTTPS_PROXY: "http://proxy", no_proxy: ".com" }, undefined],
  [{ HTTPS_PROXY: "http://proxy", no_proxy: "*.GitHub.com" }, undefined],
  [{ HTTPS_PROXY: "http://proxy", NO_PROXY: "github.com:443" }, undefined],
  [{ HTTPS_PROXY: "http://proxy", NO_PROXY: "github.com:8443,hub.com,example.com" }, "http://proxy/"],
])("%j: %s", (environment, proxy) => {
  expect(proxyOf(url, environment)?.href).toBe(proxy);
});

test("a proxy of another kind is refused by its name", () => {
  expect(() => proxyOf(url, { ALL_PROXY: "socks5://proxy:1080" })).toThrow("socks5:// is no proxy that we can use");
});

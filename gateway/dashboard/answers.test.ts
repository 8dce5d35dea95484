import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gateway } from "../../test/hellos.ts";
import { DashboardAnswers, dashboardPaths } from "./answers.ts";
import { Dashboard } from "./dashboard.ts";
import { mostViewers } from "./viewers.ts";

let server: Server;
let dashboard: Dashboard;
let bugs: unknown[];
const nothing = () => undefined;

beforeEach(async () => {
  bugs = [];
  const onBug = (error: unknown) => void bugs.push(error);
  dashboard = new Dashboard({ hello: () => gateway, hasNats: () => true, listen: () => nothing, ask: nothing, askErrors: nothing, onBug });
  const answers = new DashboardAnswers(dashboard, onBug);
  server = createServer((incoming, response) => answers.at(incoming.url ?? "")?.(incoming, response));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(bugs).toEqual([]);
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/** As it is transferred: fetch would unpack it. An event stream is read up to its first event. */
function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path, headers, method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      const done = () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (response.headers["content-type"]?.startsWith("text/event-stream")) done();
      });
      response.on("end", done);
    });
    asking.on("error", reject).end();
  });
}

const files = dashboardPaths.filter((path) => path !== "/dashboard/events");

test("the page and its files are at most 60 kB as transferred, and unpack to what they are", async () => {
  let transferred = 0;
  for (const path of files) {
    const [packed, plain] = [await ask(path, { "accept-encoding": "br, gzip" }), await ask(path)];
    expect(packed.headers["content-encoding"]).toBe("gzip");
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
    transferred += packed.body.length;
  }
  expect(transferred).toBeLessThan(60_000);
});

test("every file that the page names is there, and nothing stands inline", async () => {
  const page = (await ask("/")).body.toString();
  const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => `/${path}`);
  const scripts = await Promise.all(files.filter((path) => path.endsWith(".js")).map(async (path) => (await ask(path)).body.toString()));
  const imported = scripts.flatMap((script) => [...script.matchAll(/from "\.\/([^"]+)"/g)].map(([, name]) => `/dashboard/${name}`));
  for (const path of [...named, ...imported]) expect(files).toContain(path);
  expect(page).not.toMatch(/<style| style=|<script(?![^>]* src=)| on[a-z]+=/);
});

test("each answer has a policy that lets nothing in from elsewhere", async () => {
  for (const path of dashboardPaths) {
    const { headers } = await ask(path, {}, "HEAD");
    expect(headers["content-security-policy"], path).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';/,
    );
    expect(headers["content-security-policy"], path).not.toContain("unsafe");
    expect(headers["x-content-type-options"], path).toBe("nosniff");
  }
});

test("HEAD has no body, and a file that the browser has is not sent again", async () => {
  const head = await ask("/", {}, "HEAD");
  expect([head.status, head.body.length, Number(head.headers["content-length"]) > 500]).toEqual([200, 0, true]);
  expect((await ask("/", { "if-none-match": String(head.headers.etag) })).status).toBe(304);
  expect((await ask("/dashboard/events", {}, "HEAD")).headers["content-type"]).toBe("text/event-stream; charset=utf-8");
  expect(dashboard.viewers.size).toBe(0);
});

test("so many may look; the next one is told so, until one has gone", async () => {
  const streams = await Promise.all(Array.from({ length: mostViewers }, () => ask("/dashboard/events")));
  for (const { status, body } of streams)
    expect([status, body.toString()]).toEqual([200, expect.stringMatching(/^retry: 1000\n\nevent: /)]);
  const refused = await ask("/dashboard/events");
  expect([refused.status, refused.body.toString()]).toEqual([503, expect.stringMatching(/^dashboard\.full: 20 pages look at/)]);
  server.closeAllConnections();
  await expect.poll(() => dashboard.viewers.size).toBe(0);
  expect((await ask("/dashboard/events")).status).toBe(200);
});

test("a page of another site may not look", async () => {
  for (const site of ["cross-site", "same-site"]) expect((await ask("/dashboard/events", { "sec-fetch-site": site })).status).toBe(403);
  for (const site of ["same-origin", "none"]) expect((await ask("/dashboard/events", { "sec-fetch-site": site })).status).toBe(200);
});

test("whoever goes makes room, also after asking several times at once on one connection", async () => {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("GET /dashboard/events HTTP/1.1\r\nHost: a\r\n\r\n".repeat(mostViewers + 5));
  await once(socket, "data");
  expect(dashboard.viewers.size).toBe(1);
  socket.destroy();
  await expect.poll(() => dashboard.viewers.size).toBe(0);
});

test.each([
  ["gzip", "gzip"],
  ["br, gzip;q=0.5", "gzip"],
  ["gzip;q=0", undefined],
  ["br", undefined],
])("whoever takes %j gets the page as %j", async (encodings, encoding) => {
  expect((await ask("/", { "accept-encoding": encodings })).headers["content-encoding"]).toBe(encoding);
});

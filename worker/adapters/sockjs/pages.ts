// What a SockJS server answers without a session ("Greeting url", "IFrame page", "Info test"), and the headers of all its answers.

import { createHash, randomInt } from "node:crypto";
import { parseCookie } from "cookie";
import { pageFault, warn } from "../../adapter.ts";

type Headers = Readonly<Record<string, string>>;

const yearSeconds = 365 * 24 * 3600;
const text = { "content-type": "text/plain; charset=UTF-8" };

/** "Greeting url: `/`" */
export function greeting(): Response {
  return new Response("Welcome to SockJS!\n", { headers: text });
}

export function notFound(): Response {
  return refused("404 Error: Page not found", {}, 404);
}

export function wrongMethod(allow: string): Response {
  return new Response(null, { status: 405, headers: { allow } });
}

/** What the client has sent is wrong: a 500 in SockJS. */
export function refused(message: string, headers: Headers = {}, status = 500): Response {
  return new Response(`${message}\n`, { status, headers: { ...headers, ...text } });
}

/** A page learns only that it could not connect, so it is logged as well. @param route the handler's path. */
export function refusedPage(fault: string, route: string): Response {
  warn({ code: "request.origin", route }, { fault }, "refused with 403");
  return refused(`request.origin: ${fault}`, {}, 403);
}

/** "In such case it's very important to disallow any caching." */
export const notCached = { "cache-control": "no-store, no-cache, no-transform, must-revalidate, max-age=0" };

function cachedForAYear(): Record<string, string> {
  return { "cache-control": `public, max-age=${yearSeconds}`, expires: new Date(Date.now() + yearSeconds * 1000).toUTCString() };
}

/**
 * Cross-origin resource sharing, for pages of origins that may connect: what they send has their visitors' cookies.
 * @param origins as the handler's; undefined: pages of our own host alone.
 * @returns a text where a page asks that may not: which one, what is allowed, and what decides it. A page whose request tells no Origin, as that of a script element, is known by its Referer.
 */
export function corsHeaders({ headers, url }: Request, origins: readonly string[] | undefined): Record<string, string> | string {
  const [origin, site] = [headers.get("origin"), headers.get("sec-fetch-site") ?? "none"];
  const isElsewhere = site === "cross-site" || site === "same-site";
  const page = origin ?? (isElsewhere ? (/^https?:\/\/[^/]+/.exec(headers.get("referer") ?? "")?.[0] ?? "null") : undefined);
  if (page === undefined) return { "access-control-allow-origin": "*", vary: "origin" };
  const fault = pageFault(page, { origins, host: new URL(url).host });
  if (fault !== undefined) return fault;
  if (origin === null) return { vary: "origin" };
  const asked = headers.get("access-control-request-headers");
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-credentials": "true",
    vary: "origin",
    ...(asked && { "access-control-allow-headers": asked }),
  };
}

/** The answer to a page that asks what it may do: "OPTIONS". @param allow "OPTIONS, POST" */
export function preflight(allow: string, cors: Headers): Response {
  const methods = { "access-control-allow-methods": allow, "access-control-max-age": String(yearSeconds) };
  return new Response(null, { status: 204, headers: { ...cachedForAYear(), ...methods, ...cors } });
}

/** "Info test: `/info`" */
export function info({ method }: Request, told: { websocket: boolean; cookie_needed: boolean }, cors: Headers): Response {
  if (method === "OPTIONS") return preflight("OPTIONS, GET", cors);
  if (method !== "GET" && method !== "HEAD") return wrongMethod("OPTIONS, GET");
  // "Currently ignored": which pages may connect is told by CORS.
  const body = { ...told, origins: ["*:*"], entropy: randomInt(2 ** 32) };
  return new Response(JSON.stringify(body), { headers: { ...cors, ...notCached, "content-type": "application/json; charset=UTF-8" } });
}

/** "JSESSIONID cookie": what a load balancer has made of it comes back as it is. */
export function sessionCookie({ headers }: Request): Record<string, string> {
  const { JSESSIONID = "dummy" } = parseCookie(headers.get("cookie") ?? "", { decode: (value) => value });
  return { "set-cookie": `JSESSIONID=${/^[\w.!~-]{1,256}$/.test(JSESSIONID) ? JSESSIONID : "dummy"}; path=/` };
}

/** "IFrame page": `iframe.html`, or with a version as `iframe-1.6.1.html`. */
export const iframePath = /^iframe[0-9-.a-z_]*\.html$/;

/**
 * Loads the client into a page of our origin, for a page of another one, which may be whose clients `origins` allows.
 * @param clientUrl of sockjs-client.
 */
export function iframe({ headers }: Request, clientUrl: string, origins: readonly string[] | undefined): Response {
  const body = iframePage(clientUrl);
  const etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
  if (headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: { etag } });
  const mayEmbed = origins?.join(" ") ?? "'self'";
  const security = { "content-security-policy": `frame-ancestors ${mayEmbed || "'none'"}` };
  return new Response(body, { headers: { ...cachedForAYear(), ...security, etag, "content-type": "text/html; charset=UTF-8" } });
}

// Word by word as in the protocol.
function iframePage(clientUrl: string): string {
  return `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="${clientUrl}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>`;
}

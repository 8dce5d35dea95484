// A client's plain HTTP request, as onRequest sees it: made from what a gateway sends of it, or refused.

import type { RequestBody } from "../protocol/records.ts";

/** RFC 9110, 7.2: uri-host [ ":" port ]. Whether such a host can be, the URL parser knows. */
const hostAndPort = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/i;
/** Fetch, 2.2.1: a Request cannot have these methods. */
const forbidden = ["CONNECT", "TRACE", "TRACK"];
/** All others that uWebSockets.js lets through; RFC 9110, 15.5.6 wants them told. Which of them mean something is the handler's part. */
const allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/**
 * The Request, whose URL has the path that was matched: nothing that a client sends may show a router another one.
 * @returns a Response where a client has sent what there can be no Request of.
 */
export function httpRequestOf(body: RequestBody, signal: AbortSignal): Request | Response {
  const { method, path, query } = body;
  if (forbidden.includes(method)) return refusal(405, `${method} is not served`, { allow });
  const headers = new Headers(body.headers as Array<[string, string]>);
  // RFC 9110, 7.2: empty where the client's URL names none.
  const url = urlOf(headers.get("host") || "localhost", path, query);
  if (url === undefined) return refusal(400, "the Host header is not a host and a port");
  if (decodeURIComponent(url.pathname) !== decodeURIComponent(path)) return refusal(400, "a URL cannot have this path");
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(url, { method, headers, signal, ...(hasBody && { body: new Uint8Array(body.body) }) });
}

// Part by part: what stands in one cannot become another.
function urlOf(host: string, path: string, query: string): URL | undefined {
  if (!hostAndPort.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  const url = new URL(`http://${host}`);
  url.pathname = path;
  if (query !== "") url.search = `?${query}`;
  return url;
}

function refusal(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}

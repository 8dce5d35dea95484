// One GET, over http or https, through the proxy that the environment names, with a limit of time until its answer begins.

import { get as getPlain, type IncomingMessage, type RequestOptions, request } from "node:http";
import { get as getSecure, request as requestSecure } from "node:https";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { proxyOf } from "./proxy.ts";

const mostRedirects = 5;

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly environment: NodeJS.ProcessEnv;
  /** Until the answer's head is there, for each redirect anew. */
  readonly answerMs: number;
}

/**
 * Follows redirects.
 * @returns The answer, whatever its status; its body has not been read.
 * @throws where there is none.
 */
export async function get(url: URL, options: GetOptions): Promise<IncomingMessage> {
  for (let redirects = 0, at = url; ; redirects++) {
    const response = await getOnce(at, options);
    const { statusCode = 0, headers } = response;
    if (statusCode < 300 || statusCode >= 400 || headers.location === undefined) return response;
    response.destroy();
    if (redirects === mostRedirects) throw new Error("too many redirects");
    at = new URL(headers.location, at);
    if (!/^https?:$/.test(at.protocol)) throw new Error(`redirected to ${at.protocol}//`);
  }
}

async function getOnce(url: URL, { headers, environment, answerMs }: GetOptions): Promise<IncomingMessage> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), answerMs);
  try {
    // Not kept open: a connection of the pool would hold up the end of a command.
    const options: RequestOptions = { headers, signal: late.signal, agent: false };
    const proxy = proxyOf(url, environment);
    if (proxy === undefined) return await answered(url, options);
    if (url.protocol === "http:") {
      const { host } = url;
      return await answered(proxy, { ...options, path: url.href, headers: { ...headers, host, ...authorization(proxy) } });
    }
    const socket = await tunnel(proxy, url, late.signal);
    // With any agent, its connections would be used instead.
    const { agent: _, ...rest } = options;
    return await answered(url, { ...rest, createConnection: () => connectTls({ socket, servername: url.hostname }) });
  } catch (error) {
    throw late.signal.aborted ? new Error(`no answer within ${answerMs / 1000} s`) : error;
  } finally {
    clearTimeout(timer);
  }
}

function answered(url: URL, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asking = url.protocol === "https:" ? getSecure(url, options) : getPlain(url, options);
    asking.once("response", resolve);
    // Not once: a connection may break again while it is closed.
    asking.on("error", reject);
  });
}

/** @returns What leads to the host of the URL. Source: RFC 9110, section 9.3.6. */
function tunnel(proxy: URL, { hostname, port }: URL, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const ask = proxy.protocol === "https:" ? requestSecure : request;
    const host = `${hostname}:${port || 443}`;
    const asking = ask(proxy, { method: "CONNECT", path: host, headers: { host, ...authorization(proxy) }, agent: false, signal });
    asking.once("connect", (response, socket) => {
      if (response.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy ${proxy.host} answers ${response.statusCode}`));
    });
    asking.on("error", reject);
    asking.end();
  });
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

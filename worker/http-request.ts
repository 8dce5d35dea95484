// A client's plain HTTP request, as onRequest sees it: made from what a gateway sends of it, or refused.

import { CodedError } from "../protocol/errors.ts";
import { allowedMethods, isForbiddenMethod } from "../protocol/http-methods.ts";
import type { RequestBody } from "../protocol/records.ts";
import { isClientFault } from "./failure.ts";

/** RFC 9110, 7.2: uri-host [ ":" port ]. Whether such a host can be, the URL parser knows. */
const hostAndPort = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/i;

/** A Request that remembers whether it threw since its body is not what its client says: that is the client's fault. */
export class ClientRequest extends Request {
  #fault: unknown;

  override readonly json = async (): Promise<unknown> => {
    try {
      return await Request.prototype.json.call(this);
    } catch (error) {
      // Another error says that the body was read already, or that the client has gone.
      if (error instanceof SyntaxError) this.#fault = error;
      throw error;
    }
  };

  override readonly formData = async () => {
    const wasUsed = this.bodyUsed;
    try {
      return await Request.prototype.formData.call(this);
    } catch (error) {
      if (error instanceof TypeError && !wasUsed) this.#fault = error;
      throw error;
    }
  };

  /** @returns "request.malformed" where onRequest threw what reading this body threw; else what it threw. */
  clientFaultOf(thrown: unknown): unknown {
    if (thrown !== this.#fault || thrown === undefined) return thrown;
    return new CodedError("request.malformed", `the body cannot be read: ${(thrown as Error).message}`, { cause: thrown });
  }
}

/**
 * The Request, whose URL has the path that was matched: nothing that a client sends may show a router another one.
 * @throws {CodedError} "request.malformed" or "request.method" where a client has sent what there can be no Request of.
 */
export function httpRequestOf(body: RequestBody, signal: AbortSignal): ClientRequest {
  if (isForbiddenMethod(body.method)) throw new CodedError("request.method", `${body.method} is not served`);
  try {
    return parse(body, signal);
  } catch (cause) {
    if (isClientFault(cause)) throw cause;
    // No code of a handler has run: the bytes alone have made this throw.
    throw new CodedError("request.malformed", `this is not a possible request: ${(cause as Error).message}`, { cause });
  }
}

/** Whether the rest of a path that ends in `*` has a segment `.` or `..`: no URL has one, so that below such a path there is nothing of its name. */
export function isOfNoUrl(rest: string | undefined): boolean {
  return rest?.split("/").some((segment) => segment === "." || segment === "..") === true;
}

/** What a client is answered whose request is at fault. @param error as httpRequestOf and ClientRequest.clientFaultOf make it. */
export function refusalOf({ code, message }: CodedError): { status: number; headers: Array<[string, string]>; text: string } {
  const type: [string, string] = ["content-type", "text/plain; charset=utf-8"];
  if (code === "request.method") return { status: 405, headers: [type, ["allow", allowedMethods]], text: message };
  // RFC 9110, 15.5.2: with a challenge.
  if (code === "auth.refused") return { status: 401, headers: [type, ["www-authenticate", "Bearer"]], text: message };
  return { status: code === "request.tooLarge" ? 413 : 400, headers: [type], text: message };
}

function parse({ method, path, query, headers: given, body }: RequestBody, signal: AbortSignal): ClientRequest {
  const headers = new Headers();
  for (const [name, value] of given) append(headers, name, value);
  // RFC 9110, 7.2: empty where the client's URL names none.
  // The gateway lets nobody but trusted proxies say it: see client-identity.ts there.
  const scheme = headers.get("x-forwarded-proto") === "https" ? "https" : "http";
  const url = urlOf(scheme, headers.get("host") || "localhost", path, query);
  if (url === undefined) throw new CodedError("request.malformed", "the Host header is not a host and a port");
  if (decodeURIComponent(url.pathname) !== decodeURIComponent(path))
    throw new CodedError("request.malformed", "a URL cannot have this path");
  const hasBody = method !== "GET" && method !== "HEAD";
  return new ClientRequest(url, { method, headers, signal, ...(hasBody && { body: new Uint8Array(body) }) });
}

// Fetch, 2.2.2: a character is a byte, so what is above U+00FF, or was no UTF-8, has no place in it.
function append(headers: Headers, name: string, value: string): void {
  try {
    headers.append(name, value);
  } catch (cause) {
    throw new CodedError("request.malformed", `the header ${JSON.stringify(name)} has characters that are not allowed`, { cause });
  }
}

// Part by part: what stands in one cannot become another.
function urlOf(scheme: "http" | "https", host: string, path: string, query: string): URL | undefined {
  if (!hostAndPort.test(host) || !URL.canParse(`${scheme}://${host}`)) return undefined;
  const url = new URL(`${scheme}://${host}`);
  url.pathname = path;
  if (query !== "") url.search = `?${query}`;
  return url;
}

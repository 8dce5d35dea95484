// Whether a request's head says one thing only: where its body ends, and which host it is for. Proxies and servers that read it
// differently can be played off against each other (request smuggling), so what is in doubt is refused. Pure.

import type { Incoming } from "./uws/request.ts";

/** RFC 9110, 8.6. uWebSockets.js takes no more digits than fit into 32 bits, in its older releases. */
const contentLength = /^\d{1,15}$/;

export interface RequestBody {
  /** undefined: not told before it ends. */
  readonly bytes: number | undefined;
}

/** @returns undefined where there is none. Only where `headFault` found nothing. */
export function bodyOf(incoming: Incoming): RequestBody | undefined {
  if (valuesOf(incoming, "transfer-encoding").length > 0) return { bytes: undefined };
  const bytes = Number(valuesOf(incoming, "content-length")[0] ?? 0);
  return bytes === 0 ? undefined : { bytes };
}

/** @returns What is wrong, for the client; undefined where nothing is. */
export function headFault(incoming: Incoming): string | undefined {
  if (incoming.fault !== undefined) return incoming.fault;
  const hosts = valuesOf(incoming, "host");
  // RFC 9112, 3.2.
  if (hosts.length !== 1) return "a request has exactly one Host header";
  const lengths = valuesOf(incoming, "content-length");
  const encodings = valuesOf(incoming, "transfer-encoding");
  if (lengths.length > 1) return "a request has at most one Content-Length header";
  if (lengths[0] !== undefined && !contentLength.test(lengths[0])) return "Content-Length is a number of bytes";
  // RFC 9112, 6.1: may be answered with 400, and the connection closed.
  if (lengths.length > 0 && encodings.length > 0) return "a request has Content-Length or Transfer-Encoding, not both";
  if (encodings.length > 1 || (encodings[0] !== undefined && encodings[0].toLowerCase() !== "chunked")) {
    return "the only Transfer-Encoding that is understood is chunked";
  }
  return undefined;
}

/** Whether path and query are longer than a gateway keeps them: a connection has them for life, here and in its worker. */
export function isUrlTooLong({ path, query }: Incoming, limitBytes: number): boolean {
  return Buffer.byteLength(path) + (query === "" ? 0 : 1 + Buffer.byteLength(query)) > limitBytes;
}

/** Of all headers of this name, in the order of the request. @param name in lower case. */
export function valuesOf({ headers }: Incoming, name: string): string[] {
  const values: string[] = [];
  for (const [key, value] of headers) if (key === name) values.push(value);
  return values;
}

/** The members of a header whose value is a list, over all of its lines: RFC 9110, 5.3 and 5.6.1. */
export function listOf(incoming: Incoming, name: string): string[] {
  return valuesOf(incoming, name)
    .flatMap((value) => value.split(","))
    .map((member) => member.trim())
    .filter((member) => member !== "");
}

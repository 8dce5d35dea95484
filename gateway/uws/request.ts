// What a client has asked for, read while uWebSockets.js lets it be read.

import type * as uWS from "./library.ts";

/** What came with an HTTP request, upgrade or not. */
export interface Incoming {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Names in lower case, in the order of the request; a name may come twice. */
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly ip: string;
  /** Whom the other end of the TCP connection says that it speaks for: PROXY protocol v2. */
  readonly proxiedIp?: string | undefined;
  /** Whether who is not trusted says that it speaks for somebody else: a proxy that TRUSTED_PROXIES lacks, or a client that lies. */
  readonly isForwarded?: boolean;
  /** What forbids to serve it, for the client. */
  readonly fault?: string | undefined;
}

/** The address at the other end of the TCP connection. */
export function peerOf(response: uWS.HttpResponse): string {
  return Buffer.from(response.getRemoteAddressAsText()).toString();
}

/** @param believesProxy whether only the first PROXY header of a connection counts: see docs/uwebsockets.md. */
export function incomingOf(response: uWS.HttpResponse, request: uWS.HttpRequest, believesProxy: boolean): Incoming {
  const headers: Array<readonly [string, string]> = [];
  request.forEach((name, value) => headers.push([name, value]));
  const proxied = response.getProxiedRemoteAddressAsText();
  return {
    method: request.getCaseSensitiveMethod(),
    path: request.getUrl(),
    query: request.getQuery() ?? "",
    headers,
    ip: peerOf(response),
    proxiedIp: proxied.byteLength > 0 ? Buffer.from(proxied).toString() : undefined,
    fault: proxied.byteLength > 0 && !believesProxy ? "the PROXY protocol needs a gateway with Node 22 or newer" : undefined,
  };
}

/** Of its lines, without the blanks that may surround a value: at most what the client has sent. */
export function headBytesOf({ method, path, query, headers }: Incoming): number {
  const requestLine = method.length + path.length + query.length + " ? HTTP/1.1\r\n".length;
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + ":\r\n".length, requestLine + "\r\n".length);
}

/** What reads a body. One of the last two is called, once; none where the client goes before. */
export interface BodyReader {
  readonly limitBytes: number;
  /** Where it was told. */
  readonly expectedBytes: number | undefined;
  /** So many more bytes have come. */
  onArrived(bytes: number): void;
  /** Its memory is to grow. @returns false where there is none for it: then nothing follows. */
  onGrow(bytes: number): boolean;
  onWhole(body: Uint8Array): void;
  /** It is not read any further: larger than `limitBytes`, or in so many small chunks that reading them takes everybody's time. */
  onRefused(code: "request.tooLarge" | "request.malformed"): void;
}

/** Chunks of less than this many bytes on average are taken only as long as they are few: each costs microseconds. */
const usualChunkBytes = 16;
const fewChunks = 1_024;

/** The least memory that a body of several chunks begins with. */
const leastBytes = 1024;

/** Into one buffer, which grows with what arrives: a chunk may be of one byte. */
export function readBody(response: uWS.HttpResponse, reader: BodyReader): void {
  const { limitBytes, expectedBytes = Number.POSITIVE_INFINITY } = reader;
  let body: Buffer = Buffer.alloc(0);
  let length = 0;
  let chunks = 0;
  let isOver = false;
  const makeRoom = (needed: number, isLast: boolean): boolean => {
    if (needed <= body.length) return true;
    const wanted = isLast ? needed : Math.max(needed, Math.min(Math.max(2 * body.length, leastBytes), expectedBytes, limitBytes));
    if (!reader.onGrow(wanted - body.length)) return false;
    const larger = Buffer.allocUnsafeSlow(wanted);
    larger.set(body.subarray(0, length));
    body = larger;
    return true;
  };
  response.onData((chunk, isLast) => {
    if (isOver) return;
    const needed = length + chunk.byteLength;
    isOver = true;
    if (needed > limitBytes) return reader.onRefused("request.tooLarge");
    if (++chunks > fewChunks + needed / usualChunkBytes) return reader.onRefused("request.malformed");
    reader.onArrived(chunk.byteLength);
    if (!makeRoom(needed, isLast)) return;
    isOver = isLast;
    body.set(new Uint8Array(chunk), length);
    length = needed;
    if (isLast) reader.onWhole(body.subarray(0, length));
  });
}

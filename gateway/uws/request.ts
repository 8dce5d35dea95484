// What a client has asked for, read while uWebSockets.js lets it be read.

import type uWS from "./library.ts";

/** What came with an HTTP request, upgrade or not. */
export interface Incoming {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Names in lower case, in the order of the request; a name may come twice. */
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly ip: string;
}

export function incomingOf(response: uWS.HttpResponse, request: uWS.HttpRequest): Incoming {
  const headers: Array<readonly [string, string]> = [];
  request.forEach((name, value) => headers.push([name, value]));
  return {
    method: request.getCaseSensitiveMethod(),
    path: request.getUrl(),
    query: request.getQuery() ?? "",
    headers,
    ip: Buffer.from(response.getRemoteAddressAsText()).toString(),
  };
}

/** @param onBody told undefined where the body is larger than `limitBytes`. */
export function readBody(response: uWS.HttpResponse, limitBytes: number, onBody: (body: Uint8Array | undefined) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.onData((chunk, isLast) => {
    bytes += chunk.byteLength;
    if (bytes <= limitBytes) chunks.push(Buffer.from(new Uint8Array(chunk)));
    if (isLast) onBody(bytes <= limitBytes ? Buffer.concat(chunks) : undefined);
  });
}

// A client's request to open a WebSocket, as onUpgrade sees it: made from what a gateway sends of it.

import { parseCookie } from "cookie";
import type { PathParams } from "../protocol/route-table.ts";
import type { App, Query, RequestContext, UpgradeRequest } from "./handler.ts";

export interface UpgradeParts {
  /** Not decoded, without the query. */
  readonly path: string;
  readonly params: PathParams;
  /** As it stood behind the question mark; empty where there was none. */
  readonly query: string;
  /** Names in lower case; a repeated header's values joined as RFC 9110, 5.3 says, cookies by `; `. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly ip: string;
  readonly app: App;
  readonly signal: AbortSignal;
  readonly id: string;
  readonly redelivered: boolean;
}

export function upgradeRequestOf(parts: UpgradeParts): UpgradeRequest {
  const { path, params, headers, ip, app, signal, id, redelivered } = parts;
  return {
    path,
    params,
    query: queryOf(parts.query),
    headers,
    cookies: parseCookie(headers.cookie ?? ""),
    subprotocols: subprotocolsOf(headers["sec-websocket-protocol"]),
    ip,
    origin: headers.origin,
    app,
    signal,
    id,
    redelivered,
  };
}

/** Of a request over HTTP that opens a session: onUpgrade is asked for it as for a WebSocket. */
export function upgradeRequestOfHttp({ url, headers }: Request, { params, ip, app, turn }: RequestContext): UpgradeRequest {
  const { pathname: path, search } = new URL(url);
  const { id, redelivered, signal } = turn;
  return upgradeRequestOf({ path, params, query: search.slice(1), headers: headerRecord([...headers]), ip, app, signal, id, redelivered });
}

export function queryOf(text: string): Query {
  return new URLSearchParams(text);
}

/** A Sec-WebSocket-Protocol header's names, in the client's order (RFC 6455, 11.3.4). */
export function subprotocolsOf(header: string | undefined): string[] {
  return (header ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** A repeated header's values are joined: RFC 9110, 5.3; cookies by `; `, RFC 6265, 5.4. */
export function headerRecord(headers: ReadonlyArray<readonly [string, string]>): Record<string, string> {
  // Nothing is inherited: a client may call a header `constructor`, or send none.
  const record: Record<string, string> = Object.create(null);
  for (const [name, value] of headers) {
    const before = record[name];
    record[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return record;
}

/** RFC 6455, 4.2.2: a server names one of those that the client offered, or none. @throws {TypeError} */
export function checkSubprotocol(chosen: string | undefined, offered: readonly string[]): void {
  if (chosen === undefined || offered.includes(chosen)) return;
  throw new TypeError(`onUpgrade chose the subprotocol ${chosen}, but the client offers ${offered.join(", ") || "none"}`);
}

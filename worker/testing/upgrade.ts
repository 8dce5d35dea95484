// A client's request to connect, as a test writes it: made into what onUpgrade sees, and decided.

import { randomUUID } from "node:crypto";
import { CodedError } from "../../protocol/errors.ts";
import { compileRoutes, matchRoute } from "../../protocol/route-table.ts";
import { isClientFault } from "../failure.ts";
import type { App, Handler, UpgradeRequest, Welcome } from "../handler.ts";
import { refusalOf } from "../http-request.ts";
import { expiryTime } from "../identity.ts";
import { initialState } from "../state.ts";
import { encodeState } from "../state-codec.ts";
import { queryOf, subprotocolsOf, upgradeRequestOf } from "../upgrade-request.ts";
import { welcomeHeaders } from "../welcome-headers.ts";
import type { Admission } from "./held-connection.ts";

export interface ConnectOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as the Cookie header. */
  readonly cookies?: Readonly<Record<string, string>>;
  readonly subprotocols?: readonly string[];
  /** 127.0.0.1 unless given. */
  readonly ip?: string;
  /** As `request.id`: the same once more is an upgrade that runs again since its worker died. New each time, where it is missing. */
  readonly id?: string;
}

export interface Granted {
  readonly admission: Admission;
  /** What onUpgrade adds to the response. */
  readonly headers: Headers;
}

/** @throws {CodedError} "route.unknown", "state.invalid", "state.tooLarge", "upgrade.headers", and what onUpgrade throws. */
export async function decideUpgrade(
  handler: Handler,
  request: {
    readonly url: string;
    readonly options: ConnectOptions;
    readonly app: App;
    readonly stateBytes: number;
    readonly isRedelivered: boolean;
  },
): Promise<Response | Granted> {
  const { path, query, params } = partsOf(handler, request.url);
  const { ip = "127.0.0.1" } = request.options;
  const headers = headersOf(request.options);
  const signal = new AbortController().signal;
  const { app, isRedelivered: redelivered } = request;
  const id = request.options.id ?? `test:${randomUUID()}`;
  const upgrade = upgradeRequestOf({ path, params, query, headers, ip, app, signal, id, redelivered });
  const welcome = (await answerOf(handler, upgrade)) ?? {};
  if (welcome instanceof Response) return welcome;
  const state = initialState(handler, welcome);
  const stored = state === undefined ? undefined : encodeState(state, request.stateBytes);
  const offered = subprotocolsOf(headers["sec-websocket-protocol"]);
  const subprotocol = welcome.subprotocol ?? offered.find((name) => handler.subprotocols.includes(name)) ?? "";
  const expiresAt = expiryTime(welcome.expiresAt);
  const admission = { path, params, query: queryOf(query), ip, user: welcome.user, subprotocol, stored, expiresAt };
  return { admission, headers: new Headers(welcomeHeaders(welcome.headers)) };
}

// A client that nobody knows is answered as a worker does it.
async function answerOf(handler: Handler, upgrade: UpgradeRequest): Promise<Welcome | Response | undefined> {
  try {
    return (await handler.onUpgrade?.(upgrade)) ?? undefined;
  } catch (error) {
    if (!isClientFault(error)) throw error;
    const { text, ...head } = refusalOf(error);
    return new Response(`${text}\n`, head);
  }
}

/** @throws {CodedError} "route.unknown" */
export function partsOf(handler: Handler, url: string): Pick<Admission, "path" | "params"> & { query: string } {
  const [path = "", query = ""] = url.split(/\?(.*)/s);
  const match = matchRoute(compileRoutes([handler]), path);
  if (match !== undefined) return { path, query, params: match.params };
  throw new CodedError("route.unknown", `${JSON.stringify(path)} is not served: the handler's path is ${handler.path}`);
}

function headersOf({ headers = {}, cookies = {}, subprotocols = [] }: ConnectOptions): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) record[name.toLowerCase()] = value;
  const pairs = Object.entries(cookies).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  if (pairs.length > 0) record.cookie = [record.cookie, ...pairs].filter((part) => part !== undefined).join("; ");
  if (subprotocols.length > 0) record["sec-websocket-protocol"] = subprotocols.join(", ");
  return record;
}

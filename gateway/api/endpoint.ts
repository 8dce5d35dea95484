// What an endpoint of the HTTP API is, and what the gateway lends to it.

import type * as v from "valibot";
import type { ApiKey } from "../../process/api-keys/key-file.ts";
import type { GatewayCommand, Once } from "../../protocol/gateway-questions.ts";
import type { HistoryEntry } from "../../protocol/history.ts";
import type { Answer } from "../uws/waiting-client.ts";
import type { ApiCode } from "./api-error.ts";
import type { Counts } from "./counts-endpoint.ts";
import type { MemberPage, PageWanted } from "./member-pages.ts";
import type { KeptPublish, Publish } from "./publishes.ts";

export interface ApiActions {
  /** To every subscriber, here and elsewhere. */
  readonly publish: (publish: Publish) => void;
  /** The same, once they are stored. Resolves, and rejects, as Publisher does. */
  readonly keep: (publishes: readonly KeptPublish[], once: Once | undefined) => Promise<void>;
  /** What a topic has kept, oldest first. Rejects as Publisher does. */
  readonly history: (topic: string, last: number) => Promise<readonly HistoryEntry[]>;
  /** MESSAGE_BYTES, as it is now. */
  readonly messageBytes: () => number;
  /** Does it on all gateways. @returns how many connections it met. Rejects as AllGateways does. */
  readonly everywhere: (command: UserCommand, once: Once | undefined) => Promise<number>;
  /** Of all gateways, as `everywhere`. */
  readonly members: (topic: string, page: PageWanted) => Promise<MemberPage>;
  /** As `everywhere`. */
  readonly counts: () => Promise<Counts>;
}

export type UserCommand = Extract<GatewayCommand, { user: string }>;

/** One call, whose key is known and whose body is whole. */
export interface ApiCall {
  readonly key: ApiKey;
  /** The topic or user in the path; undefined where there is none. */
  readonly target: string | undefined;
  readonly query: URLSearchParams;
  /** One of the endpoint's; empty where it takes no body. */
  readonly mediaType: string;
  readonly body: Uint8Array;
  /** The call's Idempotency-Key, where it has one. */
  readonly once: Once | undefined;
}

export interface QueryParameter {
  /** Of its text. For the document. */
  readonly schema: v.GenericSchema;
  readonly isRequired: boolean;
}

export interface Endpoint {
  /** The OpenAPI operationId. */
  readonly name: string;
  readonly method: "GET" | "POST";
  /** Below the base. It may end with a parameter, in percent-encoding: "/publish/{topic}", "/send-to-user/{user}". */
  readonly path: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, QueryParameter>>;
  /** By media type; undefined: no body. Schemas are of JSON, the others are taken as they are. */
  readonly bodies: Readonly<Record<string, v.GenericSchema | "bytes" | "text">>;
  readonly success: { readonly status: number; readonly text: string; readonly schema: v.GenericSchema };
  /** Besides those that every endpoint has. "nats.away": it does nothing while NATS is away. */
  readonly errors: readonly ApiCode[];
  /** Whether all gateways are asked. Each then keeps its part of the answer for the Idempotency-Key, and this one does not keep the whole. */
  readonly asksAll: boolean;
  /** @throws {ApiError} where nothing was done. */
  readonly run: (call: ApiCall, actions: ApiActions) => Answer | Promise<Answer>;
}

export const bytesType = "application/octet-stream";
export const textType = "text/plain";
export const jsonType = "application/json";

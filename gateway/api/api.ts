// The HTTP API: what programs that are no handlers ask of the gateway. It is off, and every path unknown, while there is no key.

import type { ApiKey } from "../../process/api-keys/key-file.ts";
import type { SparseLog } from "../../process/sparse-log.ts";
import type { Once } from "../../protocol/gateway-questions.ts";
import type { ClientLimits } from "../client-limits.ts";
import { CountedRequest } from "../counted-clients.ts";
import { bodyOf, headFault, isUrlTooLong, valuesOf } from "../head-faults.ts";
import { RequestBodies, type RequestBodiesOptions } from "../request-bodies.ts";
import type { Incoming } from "../uws/request.ts";
import type { Answer, WaitingClient, WaitingRequest } from "../uws/waiting-client.ts";
import { ApiError, isApiCode, jsonAnswer } from "./api-error.ts";
import type { ApiActions, ApiCall, Endpoint } from "./endpoint.ts";
import { mediaTypeOf, routeOf } from "./endpoints.ts";
import { type IdempotentAnswers, onceOf } from "./idempotent-answers.ts";
import type { KnownKeys } from "./known-keys.ts";
import { openApiOf } from "./openapi.ts";

export interface ApiOptions extends ApiActions {
  readonly keys: Pick<KnownKeys, "size" | "find">;
  /** Where it is on the public port: "/api"; empty: nowhere. */
  readonly path: () => string;
  readonly limits: ClientLimits;
  readonly bodies: Omit<RequestBodiesOptions, "limits"> & {
    readonly limits: RequestBodiesOptions["limits"] & { readonly urlBytes: number };
  };
  readonly answers: IdempotentAnswers;
  readonly isDraining: () => boolean;
  /** NATS is there: what is published reaches the other gateways. */
  readonly isConnected: () => boolean;
  /** Counts an answer by its status, or a refusal by its code. */
  readonly onAnswer: (outcome: string) => void;
  /** A call has met a bug. It is answered with 500, and no other notices. */
  readonly onBug: (error: unknown) => void;
  readonly sparseLog: Pick<SparseLog, "warn">;
}

const documentPath = "/openapi.json";

/** What is left of the call when its body is whole. */
type Asked = Pick<ApiCall, "key" | "target" | "query" | "mediaType"> & {
  readonly endpoint: Endpoint;
  /** Below the base. */
  readonly path: string;
};

export class Api {
  private readonly options: ApiOptions;
  private readonly bodies: RequestBodies;
  /** By base. */
  private readonly documents = new Map<string, string>();

  constructor(options: ApiOptions) {
    this.options = options;
    this.bodies = new RequestBodies(options.bodies);
  }

  /** Whether a request to the public port is for the API. */
  serves({ path }: Incoming): boolean {
    const base = this.options.path();
    return base !== "" && path.startsWith(base) && (path.length === base.length || path[base.length] === "/") && this.options.keys.size > 0;
  }

  /**
   * @param incoming with the address of the client itself.
   * @param base Where the API is on this port; empty: at the root.
   */
  request(incoming: Incoming, client: WaitingRequest, base: string): void {
    const { limits } = this.options;
    const address = limits.addressOf(incoming.ip);
    const refusal = limits.request(address, false);
    // What it says of its body may be wrong, and nobody reads it.
    if (refusal !== undefined) {
      const error = new ApiError(refusal.code as "rate.requests");
      error.retryMs = refusal.retryMs;
      return this.refuse(client, error, "now");
    }
    const malformed = headFault(incoming);
    if (malformed !== undefined) return this.refuse(client, new ApiError("request.malformed", malformed), "first");
    const body = bodyOf(incoming);
    limits.addresses.enter(address);
    const counted = new CountedRequest(client, address, { onOver: () => limits.addresses.leave(address) });
    const close = body === undefined ? undefined : "linger";
    this.attempt(counted, close, () => {
      const path = incoming.path.slice(base.length);
      if (isUrlTooLong(incoming, this.options.bodies.limits.urlBytes)) throw new ApiError("url.tooLong");
      if (this.options.keys.size === 0) throw new ApiError("route.unknown");
      if (path === documentPath) return this.answerDocument(incoming, counted, base, close);
      const asked = this.ask(incoming, path);
      const { bodyBytes } = this.options.bodies.limits;
      if (body?.bytes !== undefined && body.bytes > bodyBytes) {
        throw new ApiError("request.tooLarge", `a body has at most ${bodyBytes} bytes (MESSAGE_BYTES)`);
      }
      this.bodies.read(counted, body?.bytes, {
        onWhole: (whole) => this.attempt(counted, undefined, () => this.answerWith(counted, this.run(incoming, asked, whole))),
        onRefused: (_status, code) => {
          if (isApiCode(code)) this.refuse(counted, new ApiError(code), "now");
        },
      });
    });
  }

  /** To be called several times a second. */
  sweep(): void {
    this.bodies.sweep();
    this.options.answers.sweep();
  }

  /** What can be said of a call before its body arrives. @throws {ApiError} */
  private ask(incoming: Incoming, path: string): Asked {
    const key = this.keyOf(incoming);
    if (this.options.isDraining()) throw new ApiError("gateway.restarts");
    const { endpoint, target } = routeOf(incoming.method, path);
    const mediaType = mediaTypeOf(endpoint, valuesOf(incoming, "content-type")[0]);
    return { key, endpoint, path, target, query: new URLSearchParams(incoming.query), mediaType };
  }

  /** @throws {ApiError} */
  private run(incoming: Incoming, { endpoint, path, ...asked }: Asked, body: Uint8Array): Answer | Promise<Answer> {
    const call = (once?: Once) => {
      if (endpoint.errors.includes("nats.away") && !this.options.isConnected()) {
        throw new ApiError("nats.away", "NATS is away, so other gateways would not get it: nothing was done, try again");
      }
      return endpoint.run({ ...asked, body, once }, this.options);
    };
    const [key, ...others] = valuesOf(incoming, "idempotency-key");
    if (endpoint.method !== "POST" || key === undefined) return call();
    if (others.length > 0) throw new ApiError("api.invalid", "a request has at most one Idempotency-Key");
    const { method, query } = incoming;
    const once = onceOf(asked.key.sha256, key, { method, path, query, mediaType: asked.mediaType, body });
    return endpoint.asksAll ? call(once) : this.options.answers.answer(once, () => call(once));
  }

  /** @throws {ApiError} "api.unauthorized" */
  private keyOf(incoming: Incoming): ApiKey {
    const shown = valuesOf(incoming, "authorization");
    const key = shown.length === 1 ? /^bearer +(\S+)$/i.exec(shown[0] ?? "")?.[1] : undefined;
    const found = key === undefined ? undefined : this.options.keys.find(key);
    if (found !== undefined) return found;
    const { ip, path } = incoming;
    this.options.sparseLog.warn(
      { code: "api.unauthorized" },
      { ip, path: path.slice(0, 200) },
      "a call of the HTTP API is refused with 401",
    );
    const text = key === undefined ? "show a key: Authorization: Bearer ts_…" : "this key is unknown, or was revoked";
    throw new ApiError("api.unauthorized", text, [["www-authenticate", "Bearer"]]);
  }

  private answerDocument({ method }: Incoming, client: WaitingClient, base: string, close: Answer["close"]): void {
    if (method !== "GET" && method !== "HEAD") throw new ApiError("api.method", "this path takes GET, HEAD", [["allow", "GET, HEAD"]]);
    let text = this.documents.get(base);
    if (text === undefined) {
      text = JSON.stringify(openApiOf(base));
      // API_PATH may change now and then: what was served before is not kept for good.
      this.documents.clear();
      this.documents.set(base, text);
    }
    this.answer(client, { ...jsonAnswer(200, {}), body: text, close });
  }

  private attempt(client: WaitingClient, close: Answer["close"], run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(client, error, close);
    }
  }

  private fail(client: WaitingClient, error: unknown, close: Answer["close"]): void {
    if (!(error instanceof ApiError)) this.options.onBug(error);
    this.refuse(client, error instanceof ApiError ? error : new ApiError("connection.bug"), close);
  }

  private refuse(client: WaitingClient, error: ApiError, close: Answer["close"]): void {
    this.bodies.drop(client);
    this.options.onAnswer(error.code);
    client.answer({ ...error.answer, close });
  }

  private answerWith(client: WaitingClient, answer: Answer | Promise<Answer>): void {
    if (!(answer instanceof Promise)) return this.answer(client, answer);
    answer.then(
      (given) => this.answer(client, given),
      (error) => this.fail(client, error, undefined),
    );
  }

  private answer(client: WaitingClient, answer: Answer): void {
    this.bodies.drop(client);
    this.options.onAnswer(String(answer.status));
    client.answer(answer);
  }
}

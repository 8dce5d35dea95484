// The HTTP API: what programs that are no handlers ask of the gateway. It is off, and every path unknown, while there is no key.

import type { ApiKey } from "../../process/api-keys/key-file.ts";
import type { SparseLog } from "../../process/sparse-log.ts";
import type { ClientLimits } from "../client-limits.ts";
import { CountedRequest } from "../counted-clients.ts";
import { bodyOf, headFault, isUrlTooLong, valuesOf } from "../head-faults.ts";
import { RequestBodies, type RequestBodiesOptions } from "../request-bodies.ts";
import type { Incoming } from "../uws/request.ts";
import type { Answer, WaitingClient, WaitingRequest } from "../uws/waiting-client.ts";
import { ApiError, isApiCode, jsonAnswer } from "./api-error.ts";
import { type ApiActions, type ApiCall, type Endpoint, mediaTypeOf, routeOf } from "./endpoints.ts";
import { IdempotentAnswers, type IdempotentAnswersOptions } from "./idempotent-answers.ts";
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
  readonly answers: IdempotentAnswersOptions["limits"];
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
type Asked = Pick<ApiCall, "key" | "topic" | "mediaType"> & { readonly endpoint: Endpoint };

export class Api {
  private readonly options: ApiOptions;
  private readonly bodies: RequestBodies;
  private readonly answers: IdempotentAnswers;
  /** By base. */
  private readonly documents = new Map<string, string>();

  constructor(options: ApiOptions) {
    this.options = options;
    this.bodies = new RequestBodies(options.bodies);
    this.answers = new IdempotentAnswers({ now: options.bodies.now, limits: options.answers });
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
    const refusal = limits.request(address);
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
    const counted = new CountedRequest(client, address, () => limits.addresses.leave(address));
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
        onWhole: (whole) => this.attempt(counted, undefined, () => this.answer(counted, this.run(incoming, asked, whole))),
        onRefused: (_status, code) => {
          if (isApiCode(code)) this.refuse(counted, new ApiError(code), "now");
        },
      });
    });
  }

  /** To be called several times a second. */
  sweep(): void {
    this.bodies.sweep();
    this.answers.sweep();
  }

  /** What can be said of a call before its body arrives. @throws {ApiError} */
  private ask(incoming: Incoming, path: string): Asked {
    const key = this.keyOf(incoming);
    if (this.options.isDraining()) throw new ApiError("gateway.restarts");
    const { endpoint, topic } = routeOf(incoming.method, path);
    const mediaType = mediaTypeOf(endpoint, valuesOf(incoming, "content-type")[0]);
    const asked = endpoint.query === undefined ? undefined : (new URLSearchParams(incoming.query).get("topic") ?? undefined);
    return { key, endpoint, topic: topic ?? asked, mediaType };
  }

  /** @throws {ApiError} */
  private run(incoming: Incoming, { endpoint, ...asked }: Asked, body: Uint8Array): Answer {
    const call = () => {
      if (endpoint.method === "POST" && !this.options.isConnected()) {
        throw new ApiError("nats.away", "NATS is away, so other gateways would not get it: nothing was done, try again");
      }
      return endpoint.run({ ...asked, body }, this.options);
    };
    const [name, ...others] = valuesOf(incoming, "idempotency-key");
    if (endpoint.method !== "POST" || name === undefined) return call();
    if (others.length > 0) throw new ApiError("api.invalid", "a request has at most one Idempotency-Key");
    const { method, path, query } = incoming;
    return this.answers.answer(asked.key.sha256, name, { method, path, query, mediaType: asked.mediaType, body }, call);
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
      if (!(error instanceof ApiError)) this.options.onBug(error);
      this.refuse(client, error instanceof ApiError ? error : new ApiError("connection.bug"), close);
    }
  }

  private refuse(client: WaitingClient, error: ApiError, close: Answer["close"]): void {
    this.bodies.drop(client);
    this.options.onAnswer(error.code);
    client.answer({ ...error.answer, close });
  }

  private answer(client: WaitingClient, answer: Answer): void {
    this.bodies.drop(client);
    this.options.onAnswer(String(answer.status));
    client.answer(answer);
  }
}

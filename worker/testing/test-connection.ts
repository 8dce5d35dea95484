// What a test holds of one connection: the client's side of it, and a look at what the server keeps.

import { toWorker } from "../../protocol/records.ts";
import { frameOf, framesOf } from "../effects.ts";
import type { HandlerError, Sendable } from "../handler.ts";
import { ownCopy } from "../read-only.ts";
import type { HeldConnection } from "./held-connection.ts";
import type { InMemoryGateway } from "./in-memory-gateway.ts";
import { parsedFrame, type TestEffect, type TestFrame } from "./seen.ts";

export class TestConnection<State = unknown> {
  /** What onUpgrade added to the response. */
  readonly headers: Headers;
  private readonly gateway: InMemoryGateway;
  private readonly held: HeldConnection;

  constructor(gateway: InMemoryGateway, held: HeldConnection, headers: Headers) {
    this.gateway = gateway;
    this.held = held;
    this.headers = headers;
  }

  get id(): string {
    return this.held.id;
  }

  get user(): string | undefined {
    return this.held.user;
  }

  /** When onExpire is called: `app.advance` moves the clock. */
  get expiresAt(): Date | undefined {
    return this.held.expiresAt === 0 ? undefined : new Date(this.held.expiresAt);
  }

  get subprotocol(): string {
    return this.held.admission.subprotocol;
  }

  /** All that the client got, in order: text that is JSON parsed, other text as a string, binary frames as Uint8Array. */
  get received(): unknown[] {
    return this.held.frames.map(parsedFrame);
  }

  /** The same as it went over the wire. */
  get frames(): readonly TestFrame[] {
    return [...this.held.frames];
  }

  /** What its turns made happen, in order: one list for each commit, of which a turn that flushes has several. */
  get commits(): readonly (readonly TestEffect[])[] {
    return [...this.held.commits];
  }

  /** What its turns were rolled back for, in order: what onError was told of, and what onError itself threw. */
  get errors(): readonly HandlerError[] {
    return [...this.held.errors];
  }

  /** As the handler sees it, after the last commit. @throws {CodedError} "state.incompatible" where it was closed for its state, as `conn.state` does. */
  get state(): State {
    const { mailbox } = this.held;
    if (mailbox?.pin.fault !== undefined) throw mailbox.pin.fault;
    return ownCopy(mailbox?.state) as State;
  }

  get topics(): ReadonlySet<string> {
    return new Set(this.held.topics);
  }

  /** How it ended, whoever ended it; undefined while it is open. */
  get closed(): { readonly code: number; readonly reason: string } | undefined {
    return this.held.closed;
  }

  /** `received` since the last `take`, or since the beginning. */
  take(): unknown[] {
    return this.held.frames.splice(0).map(parsedFrame);
  }

  /**
   * The client sends a message: a string as it is, bytes as a binary frame, anything else as JSON. Frames together are as many
   * messages. Resolves when its turn has committed, or was rolled back and onError has committed. For a turn that is to hang: do not await it before app.advance.
   * @throws where the connection is closed.
   */
  async send(data: Sendable): Promise<void> {
    this.checkOpen("send");
    const frames = framesOf(frameOf(data));
    await Promise.all(frames.map((frame) => this.gateway.arrive(this.held, { type: toWorker.message, frame })));
  }

  /** The client closes. @param code 1006 for one that just vanishes. Resolves when onClose has committed. */
  async close(code = 1000, reason = ""): Promise<void> {
    this.checkOpen("close");
    await this.gateway.arrive(this.held, { type: toWorker.close, code, reason });
  }

  private checkOpen(what: string): void {
    const { closed, errors } = this.held;
    if (closed === undefined) return;
    const because = errors.at(-1);
    throw new Error(`cannot ${what}: this connection was closed with ${closed.code} ${closed.reason}`.trimEnd(), {
      ...(because !== undefined && { cause: because }),
    });
  }
}

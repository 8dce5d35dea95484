// Two WAMP clients of one library: one calls the other and publishes to it. Each comes back by itself; when both have, it begins anew.

import { randomUUID } from "node:crypto";
import type { LibraryClient, LibraryEvents } from "./library-client.ts";

/** A client while it is in its realm. */
export interface WampPeer {
  /** Resolves with the first result. */
  call(procedure: string, args: readonly unknown[]): Promise<unknown>;
  publish(topic: string, args: readonly unknown[]): void;
  /** @param endpoint Is given the first argument, and returns the first result. */
  register(procedure: string, endpoint: (first: unknown) => unknown): Promise<unknown>;
  /** @param listener Is given the first argument. */
  subscribe(topic: string, listener: (first: unknown) => void): Promise<unknown>;
}

export interface PeerEvents {
  /** For the first time, or again. */
  joined(peer: WampPeer): void;
  /** It has lost its connection, or an attempt to connect has failed. */
  left(reason: string): void;
}

/** Opens a client that comes back by itself. @returns what closes it for good. */
export type OpenPeer = (url: string, events: PeerEvents) => () => void;

export class WampPair implements LibraryClient {
  readonly name: string;
  readonly ways = ["results", "invocations", "events"];
  private readonly events: LibraryEvents;
  private readonly closers: ReadonlyArray<() => void>;
  private peers: { caller?: WampPeer; callee?: WampPeer } = {};
  /** Whether both are known to hear each other. */
  private isTold = false;
  /** Procedure and topic since both are there: a name that nobody has had, since a callee that has gone may not be forgotten yet. */
  private uri = "";
  private isOver = false;

  constructor(library: string, open: OpenPeer, url: string, events: LibraryEvents) {
    this.name = `${library} calling ${library}`;
    this.events = events;
    this.closers = (["caller", "callee"] as const).map((role) =>
      open(`${url}/wamp`, {
        joined: (peer) => {
          this.peers[role] = peer;
          void this.begin();
        },
        left: (reason) => this.left(role, reason),
      }),
    );
  }

  send(number: number): void {
    const { uri } = this;
    const { caller } = this.peers;
    if (caller === undefined) return;
    caller.publish(uri, [number]);
    caller.call(uri, [number]).then(
      (result) => this.hear(uri, "results", Number(result)),
      (error: unknown) => {
        if (uri === this.uri && this.isTold) this.events.failed(wordsOf(error));
      },
    );
  }

  close(): void {
    this.isOver = true;
    for (const close of this.closers) close();
  }

  private left(role: "caller" | "callee", reason: string): void {
    delete this.peers[role];
    const wasTold = this.isTold;
    this.isTold = false;
    if (wasTold && !this.isOver) this.events.ended(`${role}: ${reason}`);
  }

  private async begin(): Promise<void> {
    const { caller, callee } = this.peers;
    if (caller === undefined || callee === undefined) return;
    const areThere = () => this.peers.caller === caller && this.peers.callee === callee;
    const uri = `chaos.${randomUUID().replaceAll("-", "")}`;
    this.uri = uri;
    try {
      const connections = await Promise.all([caller, callee].map((peer) => peer.call("chaos.connection", [])));
      await callee.register(uri, (number) => {
        this.hear(uri, "invocations", Number(number));
        return number;
      });
      await callee.subscribe(uri, (number) => this.hear(uri, "events", Number(number)));
      if (!areThere()) return;
      this.isTold = true;
      this.events.opened(connections.map(String));
    } catch (error) {
      // One of them has gone again: it begins anew with the next.
      if (!areThere()) return;
      // NATS' store has not answered in time, which the router tells; nothing is registered.
      if (uriOf(error) === "wamp.error.unavailable") return this.begin();
      this.events.failed(wordsOf(error));
    }
  }

  private hear(uri: string, way: string, number: number): void {
    if (uri === this.uri && this.isTold) this.events.heard(way, number);
  }
}

/** @returns what an ERROR names; undefined: it is none of the router's. */
function uriOf(error: unknown): unknown {
  const { error: ofAutobahn, errorUri: ofWampy } = (error ?? {}) as { error?: unknown; errorUri?: unknown };
  return ofAutobahn ?? ofWampy;
}

function wordsOf(error: unknown): string {
  return String(uriOf(error) ?? error);
}

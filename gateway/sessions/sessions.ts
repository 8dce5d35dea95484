// The connections of this gateway whose clients speak HTTP, by their keys; and what workers answer requests of such clients with.

import type { Bus, BusSubscription } from "../../protocol/bus.ts";
import { pipeLevel } from "../../protocol/pipe-records.ts";
import type { AnswerBody, OpenSessionBody, ReceiveBody, SessionBody } from "../../protocol/session.ts";
import type { ClientEvents } from "../client-events.ts";
import type { Refusal } from "../client-limits.ts";
import { Confirmations } from "../confirmations.ts";
import type { Connection } from "../connection.ts";
import type { Party } from "../parties.ts";
import type { PeerGateway } from "../peer-gateways.ts";
import type { BodyClient } from "../request-bodies.ts";
import type { Incoming } from "../uws/request.ts";
import type { PassedOutcome } from "./asked-requests.ts";
import { Receiver } from "./receiver.ts";
import { type SessionEnd, sessionEnds } from "./session-end.ts";
import { SessionMoves } from "./session-moves.ts";
import { SessionRelay, type SessionRelayOptions } from "./session-relay.ts";
import { SessionSocket } from "./session-socket.ts";
import type { SessionTopics } from "./session-topics.ts";
import { SessionsElsewhere } from "./sessions-elsewhere.ts";

/** A client's request, and what can be done with it. One of these has to be. */
export interface SessionRequest {
  readonly incoming: Incoming;
  readonly client: BodyClient;
  /** Its handler is asked again, and told that there is no such session. */
  readonly again: () => void;
  /** It was asked again just now. */
  readonly isAgain: boolean;
  readonly answer: (answer: AnswerBody) => void;
  readonly refuse: (refusal: { readonly status: number; readonly code: Refusal["code"]; readonly retryMs?: number }) => void;
  /** It is answered by what it receives; with this status. */
  readonly begun: (status: number) => void;
}

export interface SessionsOptions {
  /** Of the gateway. */
  readonly id: string;
  readonly bus: SessionRelayOptions["bus"] & Pick<Bus, "flush" | "whenConnected">;
  readonly subjects: SessionRelayOptions["subjects"];
  readonly peers: () => ReadonlyArray<PeerGateway>;
  readonly clients: Pick<ClientEvents, "admit" | "open" | "receive" | "closed" | "heard" | "break" | "meetBug" | "limits">;
  /** See Dispatcher.closing. */
  readonly closing: (connection: Connection) => void;
  readonly topics: SessionTopics;
  readonly publishToSockets: (topic: string, data: Uint8Array, isBinary: boolean) => void;
  readonly now: () => number;
  /** When the oldest request arrived that no worker has answered; Infinity: all are. */
  readonly unansweredSince: () => number;
  readonly later: (run: () => void) => void;
  /** What may wait for one client: BACKPRESSURE_BYTES. Read for each. */
  readonly limitBytes: () => number;
  /** What may still be fetched of all that have closed: BACKPRESSURE_TOTAL_BYTES. */
  readonly totalBytes: () => number;
  /** There is no room for more connections. */
  readonly isFull: () => boolean;
  readonly isDraining: () => boolean;
}

interface Session {
  readonly connection: Connection;
  readonly socket: SessionSocket;
  readonly subscription: BusSubscription;
  readonly address: Party;
}

export class Sessions {
  readonly moves: SessionMoves;
  /** How many have closed, and why. */
  readonly ended = Object.fromEntries(sessionEnds.map((why) => [why, 0])) as Record<SessionEnd, number>;
  private readonly options: SessionsOptions;
  private readonly sessions = new Map<string, Session>();
  /** To the sessions of other gateways, and from them. */
  readonly relay: SessionRelay;
  private readonly elsewhere: SessionsElsewhere;
  private readonly confirmations: Confirmations;

  constructor(options: SessionsOptions) {
    this.options = options;
    const { id: self, bus, subjects, peers, now } = options;
    this.elsewhere = new SessionsElsewhere(now);
    this.confirmations = new Confirmations(bus);
    this.moves = new SessionMoves(options);
    this.relay = new SessionRelay({
      ...{ self, bus, subjects, peers, now },
      receive: (key, receive, client) => {
        const session = this.find(key);
        if (session === undefined) return undefined;
        const receiver = new Receiver({ receive, client, onBegun: () => undefined });
        session.socket.receive(receiver);
        return receiver;
      },
      deliver: (key, messages) => this.deliver(this.find(key), messages),
    });
  }

  /** Those that are open, and those of which something may still be fetched. */
  get size(): number {
    return this.sessions.size;
  }

  /** What there is now. `receiving`: sessions with a request that receives. Frames and bytes wait for clients, also of closed sessions. */
  get present(): { readonly open: number; readonly receiving: number; readonly frames: number; readonly bytes: number } {
    let [open, receiving, frames, bytes] = [0, 0, 0, 0];
    for (const { socket } of this.sessions.values()) {
      if (socket.isOpen) open++;
      if (!socket.isAway) receiving++;
      frames += socket.waitingFrames;
      bytes += socket.waitingBytes;
    }
    return { open, receiving, frames, bytes };
  }

  /** Those that have closed, and whose clients have not fetched all. */
  get unfetched(): number {
    let unfetched = 0;
    for (const { socket } of this.sessions.values()) if (socket.leftBytes > 0) unfetched++;
    return unfetched;
  }

  /** Nobody is asked, and nobody answered, any more. */
  end(): void {
    for (const { subscription } of this.sessions.values()) subscription.unsubscribe();
    this.relay.end();
  }

  /** A worker has answered a request with a session. */
  take(body: SessionBody, request: SessionRequest): void {
    const session = this.find(body.key);
    if (session === undefined) return this.takeElsewhere(body, request);
    if (body.kind !== "deliver") return this.receive(session, body.receive, request);
    request.answer(this.deliver(session, body.messages) ? body.response : body.missing);
  }

  private takeElsewhere(body: SessionBody, request: SessionRequest): void {
    const { client, begun, answer, isAgain } = request;
    const { asked } = this.relay;
    const onSilent = () => request.refuse({ status: 503, code: "session.unanswered" });
    const onRestart = () => request.refuse({ status: 503, code: "gateway.restarts" });
    const onFound = () => {
      client.onSession?.();
      this.elsewhere.heard(body.key, this.options.clients.limits.addressOf(request.incoming.ip));
    };
    if (body.kind === "deliver") {
      const onMissing = () => answer(body.missing);
      const onDelivered = (isThere: boolean) => {
        if (isThere) onFound();
        answer(isThere ? body.response : body.missing);
      };
      asked.deliver(body.key, body.messages, { onMissing, onSilent, onRestart, onDelivered });
      return;
    }
    // Meanwhile it may have opened here, by another request.
    const onMissing = () => {
      const session = this.find(body.key);
      if (session !== undefined) this.receive(session, body.receive, request);
      else if (body.kind === "open") this.open(body, request);
      else missing(body.receive, request);
    };
    const onBegun = (status: number) => {
      onFound();
      begun(status);
    };
    if (body.kind === "open" && isAgain) onMissing();
    else asked.receive(body.key, body.receive, client, { onMissing, onSilent, onRestart, onFound, onBegun });
  }

  /** Whether it is here, or was until lately. */
  has(key: string): boolean {
    return this.find(key) !== undefined;
  }

  /** Whether a WebSocket may take its place. */
  isOpen(key: string): boolean {
    return this.find(key)?.socket.isOpen === true;
  }

  /** Looks for the gateway that has it, and that takes a WebSocket for it which is here. Older ones do not. */
  findElsewhere(key: string, outcome: PassedOutcome & { readonly onFound: (gateway: string) => void }): void {
    const { onMissing, onFound } = outcome;
    const { peers } = this.options;
    const takes = ({ level }: PeerGateway) => level >= pipeLevel;
    if (!peers().some(takes)) return onMissing();
    const onDelivered = (isThere: boolean, owner: string) => {
      if (isThere && peers().some((peer) => peer.id === owner && takes(peer))) onFound(owner);
      else onMissing();
    };
    // No message: it is answered whether the session is there, and by whom, by gateways of any version.
    this.relay.asked.deliver(key, [], { ...outcome, onDelivered });
  }

  /** A WebSocket opens that may take the place of the session of this key. */
  openBeside(connection: Connection, key: string): void {
    const session = this.find(key);
    if (session !== undefined) this.moves.add(connection, session);
  }

  /** To be called several times a second. */
  sweep(): void {
    let leftBytes = 0;
    for (const [key, session] of this.sessions) {
      const { socket } = session;
      socket.sweep();
      leftBytes += socket.leftBytes;
      if (leftBytes > this.options.totalBytes()) socket.forget();
      if (!socket.hasEnded) continue;
      this.sessions.delete(key);
      forget(session);
    }
    this.elsewhere.sweep();
    this.relay.sweep();
  }

  private find(key: string): Session | undefined {
    const session = this.sessions.get(key);
    return session?.socket.hasEnded ? undefined : session;
  }

  private open(body: OpenSessionBody, request: SessionRequest): void {
    const { clients, isFull, isDraining } = this.options;
    const { limits } = clients;
    if (isDraining()) return request.refuse({ status: 503, code: "gateway.restarts" });
    if (isFull()) return request.refuse({ status: 503, code: "gateway.full" });
    const { path, query, ip } = request.incoming;
    const address = limits.addressOf(ip);
    const refusal = limits.upgrade(address);
    if (refusal !== undefined) return request.refuse({ status: 429, ...refusal });
    if (!limits.mayEnter(body.user)) return request.refuse({ status: 429, code: "rate.requests" });
    const { user, subprotocol = "", state, expiresAt } = body;
    const connection = clients.admit({ path, query, ip, user, subprotocol, state, expiresAt });
    limits.addresses.enter(address);
    connection.meter = limits.open(address, user);
    const session = { connection, socket: this.socketFor(connection, body), subscription: this.relay.listenFor(body.key), address };
    address.sessions++;
    const former = this.sessions.get(body.key);
    if (former !== undefined) forget(former);
    this.sessions.set(body.key, session);
    clients.open(connection, session.socket);
    // Whoever has an answer may ask through another gateway, which must find it.
    this.confirmations
      .confirm()
      .then(() => this.receive(session, body.receive, request))
      .catch((error) => clients.meetBug(connection, error));
  }

  private receive({ socket }: Session, receive: ReceiveBody, { client, begun }: SessionRequest): void {
    client.onSession?.();
    socket.receive(new Receiver({ receive, client, onBegun: begun }));
  }

  /** @returns whether there is a connection to have them. */
  private deliver(session: Session | undefined, messages: ReadonlyArray<string | Uint8Array>): boolean {
    if (session === undefined || !session.socket.isOpen) return false;
    const { connection, socket } = session;
    for (const message of messages) {
      // One before may have been too much.
      if (!socket.isOpen) return false;
      const isText = typeof message === "string";
      this.options.clients.receive(connection, isText ? Buffer.from(message) : message, !isText);
    }
    return true;
  }

  private socketFor(connection: Connection, { idleMs, linger, closeFrame }: OpenSessionBody): SessionSocket {
    const { clients, topics, publishToSockets, now, unansweredSince, later, limitBytes } = this.options;
    return new SessionSocket({
      ...{ idleMs, linger, closeFrame, now, unansweredSince, later, topics, publishToSockets },
      limitBytes: limitBytes(),
      onHeard: () => clients.heard(connection),
      onClose: (code, reason, why) => {
        this.ended[why]++;
        clients.closed(connection, { code, reason, isSlow: why === "slow" });
      },
    });
  }
}

/** Nobody asks for it any more. */
function forget({ subscription, address }: Session): void {
  subscription.unsubscribe();
  address.sessions--;
}

function missing({ missing: answer }: ReceiveBody, { again, answer: reply }: SessionRequest): void {
  if (answer === "again") again();
  else reply(answer);
}

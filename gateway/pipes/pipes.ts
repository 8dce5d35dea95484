// WebSockets that reach another gateway than the one of their session. Each is two ends of a pipe: at the gateway that it has reached, a
// client; at the gateway of its session, the socket of a connection like any other. Between them is a link, so that nothing that one end
// has sent is lost, doubled or reordered for as long as both gateways live. It knows nothing of what is said.

import type { Batch } from "../../protocol/envelope.ts";
import { type ErrorCode, errorTable } from "../../protocol/errors.ts";
import type { LinkHub } from "../../protocol/link-hub.ts";
import { type PipeBody, parsePipe, pipeLevel, toSession, toWebSocket } from "../../protocol/pipe-records.ts";
import { flag } from "../../protocol/records.ts";
import type { ClientEvents } from "../client-events.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { LiveSettings } from "../live-settings.ts";
import type { Party } from "../parties.ts";
import type { PeerGateways } from "../peer-gateways.ts";
import type { SessionTopics } from "../sessions/session-topics.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { PeerLinks } from "./peer-links.ts";
import { PipeClient } from "./pipe-client.ts";
import { PipeEnds } from "./pipe-ends.ts";
import { PipedSocket } from "./piped-socket.ts";

export interface PipesOptions {
  /** Of the gateway. */
  readonly id: string;
  readonly hub: Pick<LinkHub, "open" | "close">;
  readonly peers: Pick<PeerGateways, "levelOf" | "onGone">;
  readonly isConnected: () => boolean;
  readonly now: () => number;
  readonly later: (run: () => void) => void;
  readonly clients: ClientEvents;
  readonly dispatcher: Pick<Dispatcher, "parking" | "route">;
  readonly settings: Pick<LiveSettings, "config" | "dispatch">;
  readonly sessions: Pick<Sessions, "isOpen" | "openBeside" | "moves">;
  readonly topics: SessionTopics;
  readonly publishToSockets: (topic: string, data: Uint8Array, isBinary: boolean) => void;
  readonly isDraining: () => boolean;
  /** There is no room for one more connection. */
  readonly isFull: () => boolean;
  /** It met no connection in particular. */
  readonly onBug: (error: unknown) => void;
}

export class Pipes {
  /** Whose sockets are here, and whose sessions are not. */
  readonly clients = new Set<PipeClient>();
  private readonly options: PipesOptions;
  private readonly links: PeerLinks;
  /** The same, by the gateways of their sessions, and by their numbers. */
  private readonly byPeer = new PipeEnds<PipeClient>();
  /** Whose clients have not read all. */
  private readonly unread = new Set<PipeClient>();
  /** Those of sessions that are here, by their gateways and their numbers there. */
  private readonly sockets = new PipeEnds<PipedSocket>();
  /** They are to be closed once nothing of them is uncommitted: their gateways end. */
  private readonly leaving = new Set<PipedSocket>();
  private last = 0;

  constructor(options: PipesOptions) {
    this.options = options;
    const { hub, now, peers, isConnected } = options;
    this.links = new PeerLinks({
      ...{ hub, now, isConnected },
      isPeer: (id) => this.takesPipes(id),
      isUsed: (id) => this.sockets.has(id) || this.byPeer.has(id),
      onLost: (id) => this.lostPeer(id),
    });
    peers.onGone((id) => this.links.gone(id));
  }

  /** WebSockets of other gateways, for sessions that are here. */
  get fromOthers(): number {
    return this.sockets.size;
  }

  /** Something waits for another gateway. */
  get isBusy(): boolean {
    return this.clients.size > 0 || (this.options.isConnected() && this.links.isBusy);
  }

  /** A WebSocket is let in for a session that this gateway has. It opens at once. */
  add(peer: string, body: PipeBody): PipeClient {
    const { id, clients, dispatcher, settings } = this.options;
    const number = ++this.last;
    const client = new PipeClient({
      ...{ number, id: `${id}:pipe-${number}`, peer, body, clients },
      link: this.links.to(peer),
      parking: dispatcher.parking,
      limits: settings.dispatch,
      routeOf: (path) => dispatcher.route(path),
      messageBytes: () => settings.config.MESSAGE_BYTES,
      onClose: () => {
        this.clients.delete(client);
        this.byPeer.remove(peer, client);
      },
    });
    this.clients.add(client);
    this.byPeer.add(peer, client);
    return client;
  }

  // ── what the hub tells ────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether it is another gateway, with which there may be pipes. */
  isPeer(id: string): boolean {
    return this.links.has(id) || this.takesPipes(id);
  }

  has(peer: string): boolean {
    return this.links.has(peer);
  }

  stranger(peer: string): void {
    if (this.takesPipes(peer)) this.links.to(peer);
  }

  credit(peer: string): void {
    this.links.credit(peer);
  }

  lost(peer: string): void {
    this.links.lost(peer);
  }

  unheard(peer: string): void {
    this.links.unheard(peer);
  }

  received(peer: string, batch: Batch): void {
    let isBounded = false;
    const forClients = new Map<PipeClient, number[]>();
    for (let index = 0; index < batch.records; index++) {
      const type = batch.type(index);
      if (type < toSession.open) continue;
      isBounded ||= type === toSession.message || type === toWebSocket.frame;
      if (type <= toSession.closed) this.toSession(peer, batch, index);
      else gather(forClients, this.byPeer.get(peer, batch.slot(index)), index);
    }
    // Of all else, nothing is waited for: each acknowledgement that nothing else carries is a message of NATS.
    if (isBounded) this.links.acknowledge(peer);
    for (const [client, indexes] of forClients) this.toClient(client, batch, indexes);
  }

  // ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** This gateway, or NATS, has stood still, or was away: whoever was silent until now could not be heard. */
  excuse(): void {
    this.links.excuse();
  }

  /** To be called several times a second. */
  sweep(): void {
    this.links.sweep();
    for (const client of this.unread) this.tellUnread(client);
    for (const peer of this.byPeer.peers) this.sweepClients(peer);
    for (const socket of this.leaving) {
      if (socket.connection.events.length > 0) continue;
      this.leaving.delete(socket);
      socket.end(errorTable["gateway.restarts"].close, "gateway.restarts");
    }
  }

  // As a connection is closed whose messages wait for too long, or whose gateway NATS has lost for too long.
  private sweepClients(peer: string): void {
    const quietMs = this.links.quietMs(this.links.to(peer));
    const { fenceMs, parkMs } = this.options.settings.dispatch;
    if (quietMs < Math.min(fenceMs, parkMs)) return;
    for (const client of this.byPeer.of(peer))
      if (quietMs >= fenceMs || (client.isWaiting && quietMs >= parkMs)) client.breakOff("nats.away");
  }

  private tellUnread(client: PipeClient): void {
    if (!client.tellUnread()) return void this.unread.delete(client);
    this.unread.add(client);
    // The session's gateway has bounds of its own for it, as for all of its clients; this one has what waits for those of all the others.
    this.options.clients.slowClients.notice(client);
  }

  private takesPipes(id: string): boolean {
    return (this.options.peers.levelOf(id) ?? 0) >= pipeLevel;
  }

  private lostPeer(peer: string): void {
    for (const socket of this.sockets.of(peer)) this.safely(() => socket.closed());
    for (const client of this.byPeer.of(peer)) this.safely(() => client.breakOff("gateway.lost"));
  }

  // Nobody would end the others later.
  private safely(end: () => void): void {
    try {
      end();
    } catch (error) {
      this.options.onBug(error);
    }
  }

  // ── at the gateway of the WebSocket ───────────────────────────────────────────────────────────────────────────────

  private toClient(client: PipeClient, batch: Batch, indexes: readonly number[]): void {
    try {
      client.take(batch, indexes);
      // Those who were slow before are looked at by the sweep: they may be many, and batches as well.
      this.tellUnread(client);
    } catch (error) {
      client.meetBug(error);
    }
  }

  // ── at the gateway of the session ─────────────────────────────────────────────────────────────────────────────────

  private toSession(peer: string, batch: Batch, index: number): void {
    const number = batch.slot(index);
    const socket = this.sockets.get(peer, number);
    try {
      if (batch.type(index) === toSession.open) this.open(peer, number, parsePipe(batch.payload(index)));
      else if (socket !== undefined) this.tell(socket, batch, index);
    } catch (error) {
      // What is lost with it is missed by this pipe alone, which therefore ends.
      if (socket !== undefined) return this.options.clients.meetBug(socket.connection, error);
      this.options.onBug(error);
      this.refuse(peer, number, "connection.bug");
    }
  }

  private tell(socket: PipedSocket, batch: Batch, index: number): void {
    const { clients } = this.options;
    const type = batch.type(index);
    const { connection } = socket;
    const isFlagged = (mask: number) => (batch.flags(index) & mask) !== 0;
    if (type === toSession.message) clients.receive(connection, batch.view(index), isFlagged(flag.binary), true);
    else if (type === toSession.alive) clients.heard(connection);
    else if (type === toSession.waits) socket.unread = batch.epoch(index);
    else if (type === toSession.leave) {
      if (connection.intake === "open") connection.intake = "closing";
      this.leaving.add(socket);
    } else {
      const reason = new Uint8Array(batch.view(index));
      socket.closed({ code: batch.extra(index), reason, isSlow: isFlagged(flag.broken) });
    }
  }

  private open(peer: string, number: number, { key, ...body }: PipeBody): void {
    const { clients, sessions, topics, publishToSockets, later, settings } = this.options;
    const link = this.links.to(peer);
    const address = clients.limits.addressOf(body.ip);
    const refusal = this.whyRefused(key, address);
    if (refusal !== undefined) return this.refuse(peer, number, refusal);
    const connection = clients.admit({ ...body, user: body.user, state: body.state });
    clients.limits.addresses.enter(address);
    connection.meter = clients.limits.open(address, body.user);
    sessions.openBeside(connection, key);
    const socket = new PipedSocket({
      ...{ number, connection, link, later, topics, publishToSockets },
      limitBytes: settings.config.BACKPRESSURE_BYTES,
      quietSince: () => this.links.quietSince(link),
      onHeard: (heard) => clients.heard(heard),
      onClose: (closed, close) => {
        this.leaving.delete(socket);
        this.sockets.remove(peer, socket);
        clients.closed(closed, close);
        sessions.moves.closed(closed);
      },
    });
    this.sockets.add(peer, socket);
    clients.open(connection, socket);
  }

  private whyRefused(key: string, address: Party): ErrorCode | undefined {
    const { clients, sessions, isDraining, isFull } = this.options;
    if (isDraining()) return "gateway.restarts";
    if (!sessions.isOpen(key)) return "session.unknown";
    if (isFull()) return "gateway.full";
    return clients.limits.mayJoin(address) ? undefined : "address.connections";
  }

  private refuse(peer: string, number: number, code: ErrorCode): void {
    const end = { number, onWay: () => undefined };
    const payload = Buffer.from(code);
    this.links.to(peer).send(end, { type: toWebSocket.end, extra: errorTable[code].close, payload });
  }
}

/** Where in a batch something is for which client. */
function gather(forClients: Map<PipeClient, number[]>, client: PipeClient | undefined, index: number): void {
  if (client === undefined) return;
  const indexes = forClients.get(client);
  if (indexes === undefined) forClients.set(client, [index]);
  else indexes.push(index);
}

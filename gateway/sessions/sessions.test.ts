import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { SessionBody } from "../../protocol/session.ts";
import { probeNumber } from "../../protocol/session-messages.ts";
import { subjectsOf } from "../../protocol/subjects.ts";
import { ClientLimits } from "../client-limits.ts";
import { Connection } from "../connection.ts";
import { FakeClient } from "./fake-client.ts";
import { SessionTopics } from "./session-topics.ts";
import { type SessionRequest, Sessions, type SessionsOptions } from "./sessions.ts";

const none = { status: 404, headers: [], body: Buffer.from("missing") };
const receive = { status: 200, headers: [], mode: "poll" as const, maxBytes: 1_000, missing: "again" as const, busy: { response: none } };
const open: SessionBody = { kind: "open", key: "k", expiresAt: 0, idleMs: 1_000, linger: { ms: 500, repeatLast: false }, receive };
const rate = { messages: 0, bytes: 0, pings: 0 };
const rates = { connection: rate, addressFactor: 1, userFactor: 1, connections: 9, upgrades: 9, failures: 9, requests: 9 };

/** A gateway whose NATS confirms when it is told to. */
class Stage {
  readonly subjects: string[] = [];
  readonly connections: Connection[] = [];
  readonly sessions: Sessions;
  confirm: () => void = () => undefined;
  peers: ReturnType<SessionsOptions["peers"]> = [];
  readonly asked: string[] = [];

  constructor() {
    const subscribe = (subject: string) => {
      this.subjects.push(subject);
      return { unsubscribe: () => undefined };
    };
    const flush = () =>
      new Promise<void>((resolve) => {
        this.confirm = resolve;
      });
    const clients = {
      admit: ({ path, query, ip, user, subprotocol, state }) => {
        const connection = new Connection({ slot: 0, epoch: 0, id: "c", path, query, ip, user, subprotocol, state });
        this.connections.push(connection);
        return connection;
      },
      open: (connection, socket) => {
        connection.socket = socket;
      },
      heard: () => undefined,
      closed: () => undefined,
      limits: new ClientLimits({ now: () => 0, rates, isExempt: () => false }),
    } as Partial<SessionsOptions["clients"]> as SessionsOptions["clients"];
    this.sessions = new Sessions({
      ...{ id: "own", clients, subjects: subjectsOf("test"), topics: new SessionTopics(), peers: () => this.peers },
      bus: { publish: (subject) => this.asked.push(subject), subscribe, flush, connected: true, whenConnected: () => Promise.resolve() },
      ...{
        now: () => 0,
        later: (run) => run(),
        unansweredSince: () => Number.POSITIVE_INFINITY,
        isFull: () => false,
        isDraining: () => false,
      },
      ...{ limitBytes: () => 1_000, totalBytes: () => 1_000, closing: () => undefined, publishToSockets: () => undefined },
    });
  }

  /** The answer of a worker to a request that has been asked again. */
  take(body: SessionBody, onSession?: () => void): FakeClient {
    const client = Object.assign(new FakeClient(), { onSession });
    const never = () => undefined;
    const request = { incoming: { path: "/", query: "", ip: "192.0.2.1" }, client, again: never, isAgain: true, answer: never };
    this.sessions.take(body, { ...request, refuse: never, begun: never } as unknown as SessionRequest);
    return client;
  }
}

test("who opens a session gets an answer once NATS has confirmed that other gateways find it", async () => {
  const stage = new Stage();
  const client = stage.take(open);
  expect(stage.subjects).toEqual([subjectsOf("test").session("k")]);
  stage.connections[0]?.socket?.send(Buffer.from("a"), false);
  await nextTurn();
  expect(client.head).toBeUndefined();
  stage.confirm();
  await nextTurn();
  expect(client).toMatchObject({ body: "a", end: "end" });
});

test("a request is told that its session was found: here, once it is open, and elsewhere as soon as its gateway says so", async () => {
  const stage = new Stage();
  const found: string[] = [];
  stage.take({ kind: "receive", key: "elsewhere", receive }, () => found.push("elsewhere"));
  stage.take(open, () => found.push("here"));
  await nextTurn();
  expect(found.splice(0)).toEqual([]);
  stage.confirm();
  await nextTurn();
  expect(found.splice(0)).toEqual(["here"]);
  stage.sessions.relay.asked.hear({ kind: "held", from: "other", number: probeNumber + 1 });
  expect(found).toEqual(["elsewhere"]);
});

test("a WebSocket for a session elsewhere is refused at once where no gateway takes it: those of level 1 do not", () => {
  const stage = new Stage();
  const found: string[] = [];
  const outcome = {
    onFound: (gateway: string) => found.push(gateway),
    onMissing: () => found.push("missing"),
    onSilent: () => found.push("silent"),
    onRestart: () => found.push("restart"),
  };
  const peer = (level: number) => ({ id: `level${level}`, heardAt: 0, isDraining: false, level, unansweredSince: 0 });
  stage.peers = [peer(1)];
  stage.sessions.findElsewhere("k", outcome);
  expect([found, stage.asked]).toEqual([["missing"], []]);
  stage.peers = [peer(1), peer(2)];
  const answer = (number: number, from: string, isThere: boolean) =>
    stage.sessions.relay.asked.hear({ kind: "delivered", from, number, isThere });
  for (let count = 0; count < 3; count++) stage.sessions.findElsewhere("k", outcome);
  answer(1, "level1", true);
  answer(2, "level2", false);
  answer(3, "level2", true);
  answer(3, "level2", true);
  expect(found).toEqual(["missing", "missing", "missing", "level2"]);
});

import { expect, test } from "vitest";
import { toWebSocket } from "../../protocol/pipe-records.ts";
import type { Connection } from "../connection.ts";
import { SessionTopics } from "../sessions/session-topics.ts";
import { PeerLink } from "./peer-link.ts";
import { type PipeClose, PipedSocket } from "./piped-socket.ts";

/** A socket whose frames arrive when that is told, of a gateway that may be quiet. */
class Stage {
  quietSince = Number.POSITIVE_INFINITY;
  hasCredit = true;
  acked = 0;
  readonly sent: number[] = [];
  readonly closes: PipeClose[] = [];
  readonly heard: Connection[] = [];
  readonly topics = new SessionTopics();
  private readonly soon: Array<() => void> = [];
  readonly socket: PipedSocket;
  readonly link: PeerLink;

  constructor() {
    const it = this;
    const append = ({ type }: { type: number }) => this.sent.push(type);
    const room = { heardAt: 0, append, probe: () => undefined, ackAtFlush: () => undefined };
    this.link = new PeerLink({
      ...room,
      get hasCredit() {
        return it.hasCredit;
      },
      get ackedBatch() {
        return it.acked;
      },
      get lastBatch() {
        return it.sent.length;
      },
    });
    this.socket = new PipedSocket({
      ...{ number: 1, connection: {} as Connection, link: this.link, limitBytes: 100, topics: this.topics },
      quietSince: () => this.quietSince,
      later: (run) => this.soon.push(run),
      publishToSockets: () => undefined,
      onHeard: (connection) => this.heard.push(connection),
      onClose: (_, close) => this.closes.push(close),
    });
  }

  send(bytes: number): void {
    this.socket.send(new Uint8Array(bytes), true);
    for (let run = this.soon.shift(); run !== undefined; run = this.soon.shift()) run();
  }
}

test("more than may wait on its way closes it as slow, once; what has arrived is not among that", () => {
  const stage = new Stage();
  stage.send(6);
  stage.acked = 1;
  stage.send(6);
  expect(stage.closes).toEqual([]);
  stage.send(6);
  stage.send(6);
  expect(stage.closes).toEqual([{ code: 1006, reason: new Uint8Array(0), isSlow: true }]);
  expect(stage.sent).toEqual([toWebSocket.frame, toWebSocket.frame, toWebSocket.frame, toWebSocket.cut]);
});

test("one that was sent too much is cut off, though the same turn closes it: it would not know what it has missed", () => {
  const stage = new Stage();
  for (let frame = 0; frame < 3; frame++) stage.socket.send(new Uint8Array(6), true);
  stage.socket.end(1000, "done");
  expect(stage.sent).toEqual([toWebSocket.frame, toWebSocket.frame, toWebSocket.cut]);
  expect(stage.closes).toEqual([{ code: 1006, reason: new Uint8Array(0), isSlow: true }]);
});

test("what its client has not read waits, and what is on its way only while its gateway is quiet: then nobody is slow, but away", () => {
  const stage = new Stage();
  stage.send(6);
  expect(stage.socket).toMatchObject({ waitingBytes: 0, isAway: false });
  stage.socket.unread = 3;
  expect(stage.socket.waitingBytes).toBe(3);
  stage.quietSince = 7;
  expect(stage.socket).toMatchObject({ waitingBytes: 3 + 6 + 64, isAway: true });
  expect(stage.socket.unansweredSince()).toBe(7);
  stage.socket.ping();
  expect(stage.heard).toHaveLength(1);
});

test("what its gateway's link does not carry waits, so that the total of all clients bounds it", () => {
  const stage = new Stage();
  stage.send(6);
  expect(stage.socket).toMatchObject({ waitingBytes: 0, isAway: false });
  stage.acked = 1;
  stage.hasCredit = false;
  stage.send(9);
  expect(stage.socket).toMatchObject({ waitingBytes: 9 + 64, isAway: true });
});

test("of one that is cut off, what its gateway's link has not carried yet never is; of one that ends, all is", () => {
  const [cut, ended] = [new Stage(), new Stage()];
  for (const stage of [cut, ended]) {
    stage.hasCredit = false;
    stage.send(9);
  }
  cut.socket.cut();
  ended.socket.end(4000, "enough");
  for (const stage of [cut, ended]) {
    stage.hasCredit = true;
    stage.link.credit();
  }
  expect(cut.sent).toEqual([toWebSocket.cut]);
  expect(ended.sent).toEqual([toWebSocket.frame, toWebSocket.end]);
});

test("topics are left when it closes, however it does; it closes once", () => {
  const stage = new Stage();
  stage.socket.subscribe("t");
  stage.topics.publish("t", new Uint8Array(1), true);
  expect(stage.sent).toEqual([toWebSocket.frame]);
  stage.socket.end(4000, "enough");
  stage.socket.closed();
  stage.socket.cut();
  stage.socket.subscribe("t");
  expect(stage.topics.size).toBe(0);
  expect(stage.sent).toEqual([toWebSocket.frame, toWebSocket.end]);
  expect(stage.closes).toEqual([{ code: 4000, reason: Buffer.from("enough"), isSlow: false }]);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ReceiveBody } from "../../protocol/session.ts";
import { FakeClient } from "./fake-client.ts";
import { Receiver } from "./receiver.ts";
import { SessionSocket, type SessionSocketOptions } from "./session-socket.ts";
import { SessionTopics } from "./session-topics.ts";

const answer = (status: number, body: string) => ({ status, headers: [], body: Buffer.from(body) });

const poll: ReceiveBody = {
  status: 200,
  headers: [],
  mode: "poll",
  maxBytes: 1_000,
  after: "\n",
  missing: answer(404, "missing"),
  busy: { response: answer(409, "busy") },
};

class Stage {
  at = 0;
  unansweredSince = Number.POSITIVE_INFINITY;
  readonly topics = new SessionTopics();
  readonly published: string[] = [];
  readonly closes: Array<{ code: number; reason: string; isSlow: boolean }> = [];
  readonly ends: string[] = [];
  readonly socket: SessionSocket;
  private readonly soon: Array<() => void> = [];

  constructor(options: Partial<Pick<SessionSocketOptions, "idleMs" | "linger" | "closeFrame" | "limitBytes">> = {}) {
    this.socket = new SessionSocket({
      idleMs: 1_000,
      linger: { ms: 500, repeatLast: false },
      limitBytes: 10_000,
      ...options,
      now: () => this.at,
      unansweredSince: () => this.unansweredSince,
      later: (run) => this.soon.push(run),
      topics: this.topics,
      publishToSockets: (topic) => this.published.push(topic),
      onHeard: () => undefined,
      onClose: (code, reason, why) => {
        this.ends.push(why);
        this.closes.push({ code, reason: Buffer.from(reason).toString(), isSlow: why === "slow" });
      },
    });
  }

  receive(receive: Partial<ReceiveBody> = {}, client = new FakeClient()): FakeClient {
    this.socket.receive(new Receiver({ receive: { ...poll, ...receive }, client, onBegun: () => undefined }));
    return client;
  }

  send(...frames: readonly string[]): void {
    for (const frame of frames) this.socket.send(Buffer.from(frame), false);
  }

  settle(): void {
    for (let run = this.soon.shift(); run !== undefined; run = this.soon.shift()) run();
  }

  /** @param unansweredSince When the oldest request came that no worker has answered. */
  after(ms: number, unansweredSince = Number.POSITIVE_INFINITY): void {
    this.at += ms;
    this.unansweredSince = unansweredSince;
    this.socket.sweep();
  }
}

describe("a poll", () => {
  test("gets what waits, and ends", () => {
    const stage = new Stage();
    stage.send("a", "b");
    const client = stage.receive();
    expect(client).toMatchObject({ head: { status: 200, length: 4 }, body: "a\nb\n", end: "end" });
  });

  test("waits for the first frame, and gets all of the same turn of the event loop", () => {
    const stage = new Stage();
    const client = stage.receive();
    stage.send("a", "b");
    expect(client.head).toBeUndefined();
    stage.settle();
    expect(client.body).toBe("a\nb\n");
  });

  test("ends behind the frame that reaches maxBytes, and behind as many as maxFrames", () => {
    const stage = new Stage();
    stage.send("aaaa", "bbbb", "cccc", "d", "e");
    expect(stage.receive({ maxBytes: 6 }).body).toBe("aaaa\nbbbb\n");
    expect(stage.receive({ maxFrames: 1 }).body).toBe("cccc\n");
    expect(stage.receive().body).toBe("d\ne\n");
  });

  test("that has gone before it began has taken nothing; one that goes leaves the session as it was", () => {
    const stage = new Stage();
    const gone = new FakeClient();
    gone.isGone = true;
    stage.receive({}, gone);
    stage.receive().leave();
    stage.send("a");
    stage.settle();
    expect(stage.receive().body).toBe("a\n");
    expect(stage.closes).toEqual([]);
  });

  test("whose answer has no body, as of HEAD, takes nothing", () => {
    const stage = new Stage();
    stage.send("a");
    const head = new FakeClient();
    head.begin = () => undefined;
    stage.receive({}, head);
    expect(stage.receive().body).toBe("a\n");
  });

  test("of a client that is given up closes the session where it is to", () => {
    const stage = new Stage();
    stage.receive({ gone: { code: 4001, reason: "gone" } }).leave();
    expect(stage.closes).toEqual([{ code: 4001, reason: "gone", isSlow: false }]);
  });
});

describe("a stream", () => {
  test("begins at once, each frame is a piece, and it ends behind the one that reaches maxBytes: the prelude does not count", () => {
    const stage = new Stage();
    const client = stage.receive({ mode: "stream", maxBytes: 4, prelude: "prelude\n" });
    expect(client.body).toBe("prelude\n");
    stage.send("a", "b", "c");
    stage.settle();
    expect(client).toMatchObject({ body: "prelude\na\nb\n", end: "end" });
    expect(stage.receive().body).toBe("c\n");
  });

  test("of a client that reads slowly: what it does not take waits in the session, within its bound", () => {
    const stage = new Stage({ limitBytes: 205_000 });
    const client = stage.receive({ mode: "stream", maxBytes: 1_000_000 }, new FakeClient(true));
    for (let count = 0; count < 10; count++) {
      stage.send("x".repeat(20_000));
      stage.settle();
    }
    expect(client.body.length).toBe(4 * 20_001);
    expect(stage.closes).toEqual([]);
    stage.send("x".repeat(20_000));
    stage.settle();
    expect(stage.closes).toEqual([{ code: 1006, reason: "", isSlow: true }]);
    expect(client.end).toBe("cut");
  });

  test("ends when the session closes, behind what waits", () => {
    const stage = new Stage();
    const client = stage.receive({ mode: "stream" });
    stage.send("a");
    stage.socket.end(4000, "");
    expect(client).toMatchObject({ body: "a\n", end: "end" });
  });
});

describe("two at once", () => {
  test("the second is told so, and the first goes on", () => {
    const stage = new Stage();
    const first = stage.receive();
    expect(stage.receive().answered?.status).toBe(409);
    expect(stage.receive({ busy: { frame: "busy" }, prelude: "p" }).body).toBe("pbusy\n");
    stage.send("a");
    stage.settle();
    expect(first.body).toBe("a\n");
  });

  test("whose first has all that it gets, though it may not have read it: the second gets what follows", () => {
    const stage = new Stage({ limitBytes: 250 });
    const first = new FakeClient(true);
    stage.send("a");
    stage.receive({ gone: { code: 4001, reason: "gone" } }, first);
    stage.send("b");
    expect(stage.receive().body).toBe("b\n");
    expect(stage.socket.waitingBytes).toBe(2);
    first.leave();
    expect(stage.closes).toEqual([{ code: 4001, reason: "gone", isSlow: false }]);
  });

  test("the session closes where it is to, and the first gets the last frame", () => {
    const stage = new Stage();
    const first = stage.receive();
    const busy = { response: answer(400, "busy"), close: { code: 4009, reason: "two", last: "bye" } };
    expect(stage.receive({ busy }).answered?.status).toBe(400);
    expect(first.body).toBe("bye\n");
    expect(stage.closes).toEqual([{ code: 4009, reason: "two", isSlow: false }]);
  });
});

describe("closed", () => {
  test("it is closed at once, and what waits may be fetched for a while", () => {
    const stage = new Stage();
    stage.send("a", "b");
    stage.socket.end(4000, "done");
    expect(stage.closes).toEqual([{ code: 4000, reason: "done", isSlow: false }]);
    expect(stage.receive({ maxFrames: 1 }).body).toBe("a\n");
    stage.after(499);
    expect(stage.receive().body).toBe("b\n");
    expect(stage.socket.hasEnded).toBe(true);
    expect(stage.receive().answered?.status).toBe(404);
  });

  test("nobody fetches it in time", () => {
    const stage = new Stage();
    stage.send("a");
    stage.socket.end(4000, "");
    stage.after(500);
    expect(stage.socket.hasEnded).toBe(true);
  });

  test("with repeatLast, requests get the last frame again until the time is up", () => {
    const stage = new Stage({ linger: { ms: 500, repeatLast: true }, closeFrame: "c[{code},{reason}]" });
    stage.send("a");
    stage.socket.end(3000, 'Go "away"!');
    expect(stage.receive().body).toBe('a\nc[3000,"Go \\"away\\"!"]\n');
    expect(stage.receive({ mode: "stream" })).toMatchObject({ body: 'c[3000,"Go \\"away\\"!"]\n', end: "end" });
    stage.after(500);
    expect(stage.receive().answered?.status).toBe(404);
  });

  test("a close frame does not follow its like", () => {
    const stage = new Stage({ closeFrame: "c[{code}]" });
    stage.send("c[3000]");
    stage.socket.end(3000, "");
    expect(stage.receive().body).toBe("c[3000]\n");
  });

  test("a poll that waits is answered that there is no session", () => {
    const stage = new Stage();
    const client = stage.receive();
    stage.socket.end(1000, "");
    expect(client.answered?.status).toBe(404);
  });

  test("nothing is sent to it any more, and its topics are left", () => {
    const stage = new Stage({ linger: { ms: 500, repeatLast: true } });
    stage.socket.subscribe("t");
    stage.socket.end(1000, "");
    stage.send("late");
    stage.topics.publish("t", Buffer.from("late"), false);
    expect(stage.topics.size).toBe(0);
    expect(stage.receive().answered?.status).toBe(404);
  });
});

test("it is closed with 1006 when nobody has received for idleMs, and not while somebody does", () => {
  const stage = new Stage();
  stage.after(999);
  const client = stage.receive();
  stage.after(5_000);
  expect(stage.closes).toEqual([]);
  stage.send("a");
  stage.settle();
  expect(client.isOver).toBe(true);
  stage.after(999);
  expect(stage.closes).toEqual([]);
  stage.after(1);
  stage.after(100);
  expect(stage.closes).toEqual([{ code: 1006, reason: "", isSlow: false }]);
});

test("it is told why it closes", () => {
  const ends = (run: (stage: Stage) => void) => {
    const stage = new Stage({ limitBytes: 100 });
    run(stage);
    stage.settle();
    return stage.ends;
  };
  const last = { code: 4009, reason: "" };
  expect(ends(({ socket }) => socket.end(4000, ""))).toEqual(["ended"]);
  expect(ends((stage) => stage.receive({ gone: last }).leave())).toEqual(["gone"]);
  const busy = { response: answer(409, ""), close: last };
  expect(ends((stage) => [stage.receive(), stage.receive({ busy })])).toEqual(["busy"]);
  expect(ends((stage) => [stage.after(1_000), stage.after(1)])).toEqual(["idle"]);
  expect(ends((stage) => stage.send("x".repeat(200)))).toEqual(["slow"]);
  // Its client would take what it gets for all there is.
  expect(
    ends((stage) => {
      stage.send("x".repeat(200), "dropped");
      stage.socket.end(1000, "done");
    }),
  ).toEqual(["slow"]);
  expect(ends(({ socket }) => socket.cut())).toEqual(["cut"]);
});

test("it is away while nobody receives, whatever waits", () => {
  const stage = new Stage();
  stage.send("a", "b");
  expect([stage.socket.isAway, stage.socket.waitingBytes > 0]).toEqual([true, true]);
  const slow = new FakeClient(true);
  stage.receive({ mode: "stream" }, slow);
  expect(stage.socket.isAway).toBe(false);
  slow.leave();
  expect(stage.socket.isAway).toBe(true);
});

test("after a standstill, what has arrived meanwhile is read before it is closed", () => {
  const stage = new Stage();
  stage.after(60_000);
  stage.receive();
  stage.after(100);
  stage.after(60_000);
  expect(stage.closes).toEqual([]);
});

test("it is not closed while a request that came before its time was up waits for a worker, but for those that came later", () => {
  const stage = new Stage();
  for (let sweeps = 0; sweeps < 100; sweeps++) stage.after(100, 900);
  expect(stage.closes).toEqual([]);
  stage.receive();
  stage.send("a");
  stage.settle();
  for (let sweeps = 0; sweeps < 20; sweeps++) stage.after(100, stage.at + 50);
  expect(stage.closes).toHaveLength(1);
});

test("when its excuse is over, it is closed in the second sweep: a heartbeat's end may come first", () => {
  const stage = new Stage();
  for (let sweeps = 0; sweeps < 20; sweeps++) stage.after(250, 900);
  stage.after(250);
  expect(stage.closes).toEqual([]);
  stage.after(250);
  expect(stage.ends).toEqual(["idle"]);
});

test("a publish reaches all who subscribe but the publisher", () => {
  const stage = new Stage();
  const other = new Stage();
  stage.socket.subscribe("t");
  const subscriber = { frames: 0, push: () => subscriber.frames++ };
  stage.topics.add("t", subscriber);
  stage.socket.publish("t", Buffer.from("x"), false);
  expect(subscriber.frames).toBe(1);
  expect(stage.published).toEqual(["t"]);
  expect(stage.socket.waitingBytes).toBe(0);
  expect(other.published).toEqual([]);
});

describe("paused", () => {
  test("whoever receives gets the frame alone; what is sent waits until it goes on", () => {
    const stage = new Stage();
    const first = stage.receive();
    stage.socket.pause(stage, "6");
    stage.send("a");
    stage.settle();
    expect(first.body).toBe("6\n");
    expect(stage.receive().body).toBe("6\n");
    stage.after(5_000);
    stage.socket.resume({});
    expect(stage.receive().body).toBe("6\n");
    stage.socket.resume(stage);
    expect(stage.receive().body).toBe("a\n");
  });

  test("what waits goes to the WebSocket, in order, and its topics with it", () => {
    const stage = new Stage();
    stage.socket.subscribe("t");
    stage.socket.pause(stage, "6");
    stage.send("a", "b");
    const said: string[] = [];
    const socket = {
      send: (data: Uint8Array) => said.push(Buffer.from(data).toString()),
      subscribe: (topic: string) => said.push(`+${topic}`),
      cork: (write: () => void) => {
        said.push("cork");
        write();
        said.push("uncork");
      },
    };
    stage.socket.moveTo(socket as never);
    expect(said).toEqual(["cork", "a", "b", "uncork", "+t"]);
    expect(stage.topics.size).toBe(0);
    expect(stage.closes).toEqual([]);
    expect(stage.receive().answered?.status).toBe(404);
    expect(stage.socket.hasEnded).toBe(false);
    stage.after(500);
    expect(stage.socket.hasEnded).toBe(true);
  });
});

test("one whose client has not answered has nothing left to be fetched", () => {
  const stage = new Stage();
  stage.send("2");
  stage.socket.abandon(4000, "ping timeout");
  expect(stage.closes).toEqual([{ code: 4000, reason: "ping timeout", isSlow: false }]);
  expect(stage.receive().answered?.status).toBe(404);
});

test("whatever happens, each frame reaches the client once and in order", () => {
  const step = fc.oneof(
    fc.record({ is: fc.constant("send" as const), size: fc.integer({ min: 1, max: 40_000 }) }),
    fc.record({
      is: fc.constant("receive" as const),
      mode: fc.constantFrom("poll" as const, "stream" as const),
      maxFrames: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      maxBytes: fc.integer({ min: 1, max: 100_000 }),
      isSlow: fc.boolean(),
    }),
    fc.constantFrom({ is: "settle" as const }, { is: "take" as const }, { is: "pause" as const }, { is: "resume" as const }),
  );
  const run = fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, moves) => {
    const stage = new Stage({ limitBytes: Number.POSITIVE_INFINITY });
    const clients: FakeClient[] = [];
    let sent = 0;
    for (const each of steps) {
      if (each.is === "send") stage.send(`${++sent} ${"x".repeat(each.size)}`);
      else if (each.is === "receive") {
        const { mode, maxBytes, maxFrames } = each;
        clients.push(stage.receive({ mode, maxBytes, maxFrames }, new FakeClient(each.isSlow)));
      } else if (each.is === "settle") stage.settle();
      else if (each.is === "take") for (const client of clients) client.take();
      else if (each.is === "pause") stage.socket.pause(stage, "paused");
      else stage.socket.resume(stage);
    }
    const late: string[] = [];
    const send = (data: Uint8Array) => late.push(Buffer.from(data).toString());
    if (moves) stage.socket.moveTo({ send, subscribe: () => 0, cork: (write: () => void) => write() } as never);
    stage.socket.resume(stage);
    for (let more = 0; !moves && more < 200; more++) {
      for (const client of clients) client.take();
      stage.settle();
      clients.push(stage.receive());
    }
    const given = clients.flatMap(({ body }) => body.split("\n")).filter((frame) => frame !== "" && frame !== "paused");
    expect([...given, ...late].map((frame) => Number.parseInt(frame, 10))).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
  });
  fc.assert(run, { numRuns: 300 });
});

import { expect, test } from "vitest";
import { toWorker } from "../protocol/records.ts";
import { defineHandler } from "./handler.ts";
import type { MailboxEvent } from "./mailbox.ts";
import { Bench, fresh, message, type Options, state } from "./testing/turn-bench.ts";

const later = new Date(2_000_000);

function expire(expiresAt: number): MailboxEvent {
  return { type: toWorker.expire, expiresAt, ...fresh };
}

function benchWith(hooks: Omit<Options, "path" | "state">, expiresAt: number | undefined): Bench {
  return new Bench(defineHandler({ path: "/a", state, ...hooks }), { expiresAt });
}

test("what a turn finds out of the client is one effect, seen by the turn at once and by those that follow", () => {
  const seen: unknown[] = [];
  const bench = benchWith(
    {
      onMessage(conn) {
        seen.push([conn.user, conn.expiresAt?.getTime()]);
        conn.setUser("ada");
        conn.setExpiresAt(new Date(1));
        conn.setExpiresAt(later);
        seen.push([conn.user, conn.expiresAt?.getTime()]);
      },
    },
    1_000_000,
  );
  for (let turns = 0; turns < 2; turns++) {
    bench.mailbox.push(message());
    bench.turns.run(bench.mailbox);
  }
  expect(seen).toEqual([
    [undefined, 1_000_000],
    ["ada", 2_000_000],
    ["ada", 2_000_000],
    ["ada", 2_000_000],
  ]);
  expect(bench.commits[0]).toEqual({ end: "commit", effects: [{ user: "ada", expiresAt: later }] });
});

test("a turn that throws has found out nothing", () => {
  const bench = benchWith(
    {
      onMessage(conn) {
        conn.setUser("ada");
        throw new Error("after all");
      },
      onError: (conn) => conn.send(conn.user ?? "nobody"),
    },
    0,
  );
  bench.mailbox.push(message());
  bench.turns.run(bench.mailbox);
  expect(bench.commits).toEqual([{ end: "commit", effects: ["nobody"] }]);
});

test("a gateway that tells of no expiry is sent no record that it does not know", () => {
  const bench = benchWith(
    {
      onMessage(conn) {
        conn.setUser("ada");
        conn.setExpiresAt(later);
      },
    },
    undefined,
  );
  bench.mailbox.push(message());
  bench.turns.run(bench.mailbox);
  expect(bench.commits).toEqual([{ end: "commit", effects: [] }]);
});

test("a time that an earlier turn has changed is told to nobody, and its event committed; neither has a number", () => {
  const ids: string[] = [];
  const bench = benchWith(
    {
      onMessage: (conn, _message, turn) => {
        ids.push(turn.id);
        conn.setExpiresAt(later);
      },
      onExpire: (_conn, turn) => void ids.push(turn.id),
    },
    1_000_000,
  );
  for (const event of [expire(1_000_000), message(), expire(1_000_000), message(), expire(2_000_000)]) bench.mailbox.push(event);
  bench.turns.run(bench.mailbox);
  expect(ids).toEqual(["g-0-1:expire-1000000", "g-0-1:0", "g-0-1:1", "g-0-1:expire-2000000"]);
  expect(bench.commits.map(({ end }) => end)).toEqual(Array(5).fill("commit"));
});

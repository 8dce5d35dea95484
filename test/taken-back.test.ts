// Sixty connections with a state of every kind, half of them talking all the time, through a deploy that migrates each state, its
// rollback by hand, one that its watch takes back, and a deploy that stays: by the real commands.

import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { Installation } from "./installation.ts";

const file = "worker/handlers/person.ts";
const connections = 60;
/** From one message of a talker to the next. */
const talkingMs = 20;

let installation: Installation;
let people: Person[] = [];

afterEach(async () => {
  for (const { client } of people.splice(0)) client.breakOff();
  await installation.end();
});

const kinds = `
  seen: v.map(v.string(), v.number()),
  tags: v.set(v.string()),
  big: v.bigint(),
  wave: v.instance(Float32Array),
  bytes: v.instance(Uint8Array),
  deep: v.object({ list: v.array(v.map(v.number(), v.date())) }),
`;
const told = `{ seen, tags, big, wave, bytes, deep }: DeepReadonly<v.InferOutput<typeof kinds>>) =>
  [[...seen], [...tags], String(big), [...wave], [...bytes], deep.list.map((each) => [...each].map(([key, date]) => [key, date.getTime()]))]`;

/** The first release. */
const first = `import * as v from "valibot";
import { type DeepReadonly, defineHandler } from "../handler.ts";

const kinds = v.object({${kinds}});
const tell = (${told};
const state = v.object({ name: v.string(), sent: v.number(), since: v.date(), ...kinds.entries });

export default defineHandler({
  path: "/person/:name",
  state,
  onUpgrade: () => ({
    state: {
      name: "Ada Lovelace",
      sent: 0,
      since: new Date(1_700_000_000_000),
      seen: new Map([["a", 1]]),
      tags: new Set(["x", "y"]),
      big: 2n ** 70n,
      wave: Float32Array.of(1.5, -0.25),
      bytes: Uint8Array.of(1, 2, 3),
      deep: { list: [new Map([[1, new Date(5)]])] },
    },
  }),
  onMessage(conn) {
    const { name, sent, since } = conn.state;
    conn.setState({ ...conn.state, sent: sent + 1 });
    conn.send({ by: "first", count: sent + 1, name: name.split(" "), since: since.getTime(), kinds: tell(conn.state) });
  },
});
`;

/** One that has renamed `sent`, split `name` and narrowed `since`. @param body of its turn, before anything else. */
function next(by: string, body = ""): string {
  return `import * as v from "valibot";
import { type DeepReadonly, defineHandler } from "../handler.ts";

const kinds = v.object({${kinds}});
const tell = (${told};
const before = v.object({ name: v.string(), sent: v.number(), since: v.date(), ...kinds.entries });
const state = v.object({ first: v.string(), last: v.string(), count: v.number(), since: v.number(), ...kinds.entries });

export default defineHandler({
  path: "/person/:name",
  state,
  onUpgrade: () => new Response(null, { status: 503 }),
  migrate(stored) {
    const { name, sent, since, ...rest } = v.parse(before, stored);
    const [first = "", last = ""] = name.split(" ");
    return { first, last, count: sent, since: since.getTime(), ...rest };
  },
  onMessage(conn) {
    ${body}
    const { first, last, count, since } = conn.state;
    conn.setState({ ...conn.state, count: count + 1 });
    conn.send({ by: "${by}", count: count + 1, name: [first, last], since, kinds: tell(conn.state) });
  },
  onError: (conn) => conn.send({ by: "nobody" }),
});
`;
}

/** What every answer tells, whoever has given it. */
const rest = {
  name: ["Ada", "Lovelace"],
  since: 1_700_000_000_000,
  kinds: [[["a", 1]], ["x", "y"], String(2n ** 70n), [1.5, -0.25], [1, 2, 3], [[[1, 5]]]],
};

/** A client, and what its state should be. */
class Person {
  readonly client: TestClient;
  private count = 0;
  private by = "first";
  /** What the first release has left. */
  private left = 0;
  /** Turns that threw. */
  failed = 0;
  private isTalking = false;
  private talk: Promise<unknown> = Promise.resolve();

  constructor(client: TestClient) {
    this.client = client;
  }

  /** @returns who has answered. */
  async speak(): Promise<string> {
    const { length } = this.client.received;
    this.client.send("next");
    await this.client.receives(length + 1);
    const { by, ...answer } = this.client.values.at(-1) as { by: string };
    if (by === "nobody") {
      this.failed++;
      return by;
    }
    // Taken back: what the release before had left.
    if (by === "first" && this.by !== "first") this.count = this.left;
    this.count++;
    expect(answer).toEqual({ count: this.count, ...rest });
    this.by = by;
    if (by === "first") this.left = this.count;
    return by;
  }

  begin(): void {
    this.isTalking = true;
    const talk = async () => {
      while (this.isTalking) {
        await this.speak();
        await pause(talkingMs);
      }
    };
    this.talk = talk();
    // It is awaited when it ends.
    this.talk.catch(() => undefined);
  }

  async end(): Promise<void> {
    this.isTalking = false;
    await this.talk;
  }
}

test("nobody is closed by a deploy, by what takes it back, or by the next one, and each state is as the last turn left it", async () => {
  installation = await Installation.cloned({ WATCH_MS: "2000", WORKERS: "2", GATEWAYS: "2" });
  installation.write(file, first);
  const url = (await installation.start().line(/^ready ws:/)).replace("ready ", "");
  people = await Promise.all(
    Array.from({ length: connections }, async (_, index) => new Person(await TestClient.open(`${url}/person/${index}`))),
  );
  const talkers = people.filter((_, index) => index % 2 === 0);
  const everybody = async () => new Set(await Promise.all(people.map((person) => person.speak())));
  const whileTalking = async (command: string, expected = 0) => {
    for (const talker of talkers) talker.begin();
    const ended = await installation.run(command);
    await Promise.all(talkers.map((talker) => talker.end()));
    expect(people.flatMap(({ client }) => client.closed ?? [])).toEqual([]);
    expect(ended.exitCode, ended.output).toBe(expected);
    return ended.output;
  };
  expect(await everybody()).toEqual(new Set(["first"]));

  installation.write(file, next("second"));
  await whileTalking("deploy-worker");
  expect(await Promise.all(talkers.map((talker) => talker.speak()))).toContain("second");
  await whileTalking("rollback-worker");
  expect(await everybody()).toEqual(new Set(["first"]));

  installation.write(file, next("third", 'if (conn.state.count >= 0) throw new Error("a bug");'));
  expect(await whileTalking("deploy-worker", 1)).toContain("rolled back");
  expect(people.reduce((sum, { failed }) => sum + failed, 0)).toBeGreaterThan(0);
  expect(await everybody()).toEqual(new Set(["first"]));

  installation.write(file, next("fourth"));
  await whileTalking("deploy-worker");
  expect(await everybody()).toEqual(new Set(["fourth"]));
  expect(people.flatMap(({ client }) => client.closed ?? [])).toEqual([]);
});

import pino from "pino";
import { expect, test } from "vitest";
import type { GatewayHello } from "../protocol/membership.ts";
import { packValue, unpackValue } from "../protocol/msgpack.ts";
import { toWorker } from "../protocol/records.ts";
import { gateway } from "../test/hellos.ts";
import type { Asks } from "./asks.ts";
import { Losses } from "./losses.ts";

type Question = Parameters<Asks["ask"]>[0];

/** Writes down what is asked; a test answers. */
class Stage {
  now = 0;
  readonly asked: Question[] = [];
  readonly takenBack: Question[] = [];
  before: string[];
  readonly losses: Losses;

  constructor(...before: string[]) {
    this.before = before;
    const settle = (ids: Iterable<string>) => {
      this.before = this.before.filter((id) => ![...ids].includes(id));
    };
    const stage = this;
    this.losses = new Losses({
      self: "g5",
      silenceMs: () => 120_000,
      place: {
        get before() {
          return stage.before;
        },
        settle,
      },
      asks: { ask: (question) => this.take(question) },
      log: pino({ enabled: false }),
      now: () => this.now,
    });
    this.losses.begin();
  }

  get gateways(): unknown[] {
    return this.asked.map(({ body }) => unpackValue(body(false)));
  }

  answer(index: number, failed: number): void {
    this.asked[index]?.onAnswer(Buffer.from(packValue(failed)));
  }

  wait(ms: number): void {
    this.now += ms;
    this.losses.sweep();
  }

  private take(question: Question): () => void {
    this.asked.push(question);
    return () => this.takenBack.push(question);
  }
}

test("each gateway that has ended without a word is told of once, and is settled when the hooks have run", () => {
  const stage = new Stage("g1", "g2");
  expect(stage.gateways).toEqual(["g1", "g2"]);
  expect(stage.asked[0]?.type).toBe(toWorker.gatewayLost);
  stage.answer(1, 0);
  expect(stage.before).toEqual(["g1"]);
  stage.wait(60_000);
  expect(stage.asked).toHaveLength(2);
});

test.each<[string, (stage: Stage) => void]>([
  ["has a hook that failed", (stage) => stage.answer(0, 1)],
  ["does not know the question", (stage) => stage.asked[0]?.onTimeout()],
  ["answers something else", (stage) => stage.asked[0]?.onBroken()],
])("where a worker %s, another is asked after a pause", (_, fail) => {
  const stage = new Stage("g1");
  fail(stage);
  expect(stage.before).toEqual(["g1"]);
  stage.wait(4_999);
  expect(stage.asked).toHaveLength(1);
  stage.wait(1);
  expect(stage.gateways).toEqual(["g1", "g1"]);
  stage.answer(1, 0);
  expect(stage.before).toEqual([]);
});

test("where it kills workers, nobody is told again", () => {
  const stage = new Stage("g1");
  stage.asked[0]?.onPoison();
  expect(stage.before).toEqual([]);
  stage.wait(60_000);
  expect(stage.asked).toHaveLength(1);
});

const hello = (id: string): GatewayHello => ({ ...gateway, id });

test("of another one that is silent for too long, the first of those that are left tells", () => {
  const stage = new Stage();
  for (const id of ["g1", "g4", "g6", "g7", "g8"]) stage.losses.hear(hello(id));
  stage.losses.hear({ kind: "gone", id: "g8", reason: "exited" });
  stage.wait(60_000);
  for (const id of ["g4", "g6"]) stage.losses.hear(hello(id));
  stage.wait(60_001);
  // g4's business.
  expect(stage.gateways).toEqual([]);
  stage.losses.hear(hello("g6"));
  stage.wait(60_001);
  expect(stage.gateways).toEqual(["g4"]);
  stage.wait(60_000);
  expect(stage.gateways).toEqual(["g4", "g6"]);
});

test("who could not be heard was not silent", () => {
  const stage = new Stage();
  stage.losses.hear(hello("g6"));
  stage.now = 120_001;
  stage.losses.excuse();
  stage.wait(0);
  expect(stage.gateways).toEqual([]);
  stage.wait(120_001);
  expect(stage.gateways).toEqual(["g6"]);
});

test("a gateway that ends takes back what nobody has answered: its successor asks", () => {
  const stage = new Stage("g1", "g2", "g3");
  stage.answer(0, 0);
  stage.answer(1, 1);
  stage.losses.end();
  expect(stage.takenBack).toEqual([stage.asked[2]]);
  stage.wait(60_000);
  expect(stage.asked).toHaveLength(3);
  expect(stage.before).toEqual(["g2", "g3"]);
});

import { expect, test } from "vitest";
import type { Link } from "../../protocol/link.ts";
import { PeerLinks } from "./peer-links.ts";

/** A gateway that has pipes with "g2". */
class Stage {
  at = 100_000;
  isConnected = true;
  isUsed = true;
  isPeer = true;
  readonly lost: string[] = [];
  readonly closed: string[] = [];
  readonly room = {
    hasCredit: true,
    ackedBatch: 0,
    lastBatch: 0,
    heardAt: this.at,
    probes: 0,
    append: () => 0,
    ackAtFlush: () => undefined,
    probe: () => this.room.probes++,
  };
  readonly links = new PeerLinks({
    hub: { open: () => this.room as Partial<Link> as Link, close: (peer) => this.closed.push(peer) },
    now: () => this.at,
    isConnected: () => this.isConnected,
    isPeer: () => this.isPeer,
    isUsed: () => this.isUsed,
    onLost: (peer) => this.lost.push(peer),
  });
  readonly link = this.links.to("g2");

  after(ms: number, { isHeard = false, isUnheard = false } = {}): this {
    for (let passed = 0; passed < ms; passed += 250) {
      this.at += 250;
      if (isHeard) this.room.heardAt = this.at;
      if (isUnheard) this.links.unheard("g2");
      this.links.sweep();
    }
    return this;
  }

  get isQuiet(): boolean {
    return this.links.quietSince(this.link) !== Number.POSITIVE_INFINITY;
  }
}

test("each side says every second that it is there, as long as there are pipes; who is silent for 20 s is gone", () => {
  const stage = new Stage().after(60_000, { isHeard: true });
  expect(stage.room.probes).toBe(60);
  expect(stage.after(19_750).lost).toEqual([]);
  expect(stage.after(250)).toMatchObject({ lost: ["g2"], closed: ["g2"] });
  const unused = new Stage();
  unused.isUsed = false;
  expect(unused.after(60_000)).toMatchObject({ lost: [], room: { probes: 0 } });
  // A pipe after a long silence, which nobody has had to break.
  unused.isUsed = true;
  expect(unused.after(19_750).lost).toEqual([]);
  unused.isUsed = false;
  unused.isPeer = false;
  expect(unused.after(250).lost).toEqual(["g2"]);
});

test("one that nobody hears for 5 s is gone; one that was heard meanwhile has only changed its NATS server", () => {
  expect(new Stage().after(5_000, { isUnheard: true }).lost).toEqual([]);
  expect(new Stage().after(5_250, { isUnheard: true }).lost).toEqual(["g2"]);
  const back = new Stage().after(4_000, { isUnheard: true }).after(250, { isHeard: true });
  expect(back.after(5_000, { isUnheard: true }).lost).toEqual([]);
});

test("while NATS is away nobody is gone, and whoever cannot be heard is not known to hear; so it is until it is heard again", () => {
  const stage = new Stage().after(1_000, { isHeard: true });
  expect(stage.isQuiet).toBe(false);
  stage.isConnected = false;
  stage.after(250);
  stage.isConnected = true;
  stage.links.excuse();
  expect([stage.isQuiet, stage.links.quietMs(stage.link)]).toEqual([true, 0]);
  stage.isConnected = false;
  expect(stage.isQuiet).toBe(true);
  expect(stage.after(600_000).lost).toEqual([]);
  expect(stage.links.quietMs(stage.link)).toBeGreaterThan(600_000 - 250);
  stage.isConnected = true;
  stage.links.excuse();
  expect(stage.isQuiet).toBe(true);
  expect(stage.after(19_500).lost).toEqual([]);
  expect(stage.after(250, { isHeard: true }).isQuiet).toBe(false);
  expect(stage.after(2_750).isQuiet).toBe(true);
});

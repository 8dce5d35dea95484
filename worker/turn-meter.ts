// Counts turns, and measures how long they take, by route and outcome.
//
// To read the clock twice costs a tenth of a short turn. So under load, when many events come in one batch, one turn in
// sixteen is measured, and counts for sixteen; else each is. What is counted only is exact.

import { Durations, durationMetric } from "../process/durations.ts";
import { counter, type Labels, type Metric } from "../process/metric.ts";

export const turnOutcomes = ["committed", "thrown", "timed_out"] as const;
export type TurnOutcome = (typeof turnOutcomes)[number];

/** Batches of more events are measured by samples. */
const wholeBatch = 16;
const sampleEvery = 16;

/** What a turn remembers for its measurement. */
export interface MeasuredTurn {
  startedAt: number;
  /** For how many turns it counts; 0: it is not measured. */
  weight: number;
}

interface Route {
  readonly path: string;
}

class RouteMeter {
  readonly path: string;
  readonly counts = { committed: 0, thrown: 0, timed_out: 0 };
  readonly durations = { committed: new Durations(), thrown: new Durations(), timed_out: new Durations() };

  constructor(path: string) {
    this.path = path;
  }
}

export class TurnMeter {
  private readonly now: () => number;
  private readonly routes = new Map<Route, RouteMeter>();
  /** That of the last turn: the next one's is mostly the same. */
  private last: { readonly route: Route; readonly meter: RouteMeter } | undefined;
  private isSampling = false;
  private untilSample = sampleEvery;

  constructor(now: () => number) {
    this.now = now;
  }

  /** A batch with so many events has come. */
  batch(events: number): void {
    this.isSampling = events > wholeBatch;
  }

  begin(turn: MeasuredTurn): void {
    if (!this.isSampling) turn.weight = 1;
    else if (--this.untilSample > 0) return;
    else {
      this.untilSample = sampleEvery;
      turn.weight = sampleEvery;
    }
    turn.startedAt = this.now();
  }

  end(turn: MeasuredTurn, route: Route, outcome: TurnOutcome): void {
    const meter = this.last?.route === route ? this.last.meter : this.meterOf(route);
    meter.counts[outcome]++;
    if (turn.weight > 0) meter.durations[outcome].record(this.now() - turn.startedAt, turn.weight);
  }

  read(): Metric[] {
    const counts = this.each(({ counts }, outcome) => counts[outcome]);
    const durations = this.each(({ durations }, outcome) => durations[outcome]);
    return [
      counter("thinstate_turns_total", "Turns that have ended. thrown: rolled back; timed_out: cut off (TURN_TIMEOUT_MS).", counts),
      durationMetric(
        "thinstate_turn_duration_seconds",
        "From the call of a hook to its end, including waits. Under load, one turn in 16 is measured and counts for 16.",
        durations,
      ),
    ];
  }

  private meterOf(route: Route): RouteMeter {
    let meter = this.routes.get(route);
    if (meter === undefined) {
      meter = new RouteMeter(route.path);
      this.routes.set(route, meter);
    }
    this.last = { route, meter };
    return meter;
  }

  private each<T>(read: (meter: RouteMeter, outcome: TurnOutcome) => T): Array<readonly [Labels, T]> {
    return [...this.routes.values()].flatMap((meter) =>
      turnOutcomes.map((outcome): readonly [Labels, T] => [{ route: meter.path, outcome }, read(meter, outcome)]),
    );
  }
}

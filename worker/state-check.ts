// Before a release is activated, one of its workers tries the state of each open connection: whether it fits, or migrates. It
// asks each gateway for what that keeps, slice by slice, and changes nothing. What it finds is told in its hello. Pure.

import type { StateCheck as StateReport } from "../protocol/membership.ts";
import type { StatesBody } from "../protocol/records.ts";
import { matchRoute, type RouteTable } from "../protocol/route-table.ts";
import { pinnedState, type StateDefinition } from "./state.ts";

/** Kinds that are told apart, by route and path within the state; what is beyond is counted together. */
const toldKinds = 20;
/** Of the first message of a kind: it may quote what the state holds. */
const toldCharacters = 200;
const others = { route: "*", message: "for other reasons" };

export interface StateCheckOptions {
  readonly routes: RouteTable<StateDefinition & { readonly path: string }>;
  /** Answered by `answered`, with the same number. @returns false where this worker has not heard of the gateway yet. */
  readonly ask: (gateway: string, number: number, from: number) => boolean;
  readonly onDone: () => void;
}

export class StateCheck {
  private readonly options: StateCheckOptions;
  private number = 0;
  private tried = 0;
  /** Gateways that have not told all, and those of them that could not be asked yet. */
  private readonly asked = new Set<string>();
  private readonly unmet = new Set<string>();
  private readonly unfit = new Map<string, StateReport["unfit"][number]>();

  constructor(options: StateCheckOptions) {
    this.options = options;
  }

  get report(): StateReport {
    return { number: this.number, isDone: this.asked.size === 0, tried: this.tried, unfit: [...this.unfit.values()] };
  }

  /** Where that one has begun already, it is told which of the gateways are still there: whoever waits for it asks again and again. */
  begin(number: number, gateways: readonly string[]): void {
    if (number === this.number) {
      for (const gateway of [...this.asked]) if (!gateways.includes(gateway)) this.lost(gateway);
      return;
    }
    this.number = number;
    this.tried = 0;
    this.unfit.clear();
    this.asked.clear();
    this.unmet.clear();
    for (const gateway of gateways) this.asked.add(gateway);
    for (const gateway of gateways) this.ask(gateway);
    if (gateways.length === 0) this.options.onDone();
  }

  /** This worker has heard of the gateway. */
  met(gateway: string): void {
    if (this.unmet.delete(gateway)) this.ask(gateway);
  }

  answered(gateway: string, number: number, { states, next }: StatesBody): void {
    if (number !== this.number || !this.asked.has(gateway)) return;
    for (const kept of states) this.try(kept);
    if (next === undefined) this.finish(gateway);
    else this.options.ask(gateway, number, next);
  }

  /** It is gone with all its connections. */
  lost(gateway: string): void {
    this.finish(gateway);
  }

  private finish(gateway: string): void {
    this.unmet.delete(gateway);
    if (this.asked.delete(gateway) && this.asked.size === 0) this.options.onDone();
  }

  private ask(gateway: string): void {
    if (!this.options.ask(gateway, this.number, 0)) this.unmet.add(gateway);
  }

  private try({ path, state, own }: StatesBody["states"][number]): void {
    const match = matchRoute(this.options.routes, path);
    // That the release does not serve it is found out by itself.
    if (match === undefined) return;
    this.tried++;
    const { fault } = pinnedState(match.route, state, own);
    if (fault === undefined) return;
    const route = match.route.path;
    const kind = JSON.stringify([route, fault.issues.map((issue) => issue.path)]);
    if (this.unfit.has(kind) || this.unfit.size < toldKinds) this.count(kind, { route, message: messageOf(fault) });
    else this.count("", others);
  }

  private count(kind: string, first: { readonly route: string; readonly message: string }): void {
    const known = this.unfit.get(kind) ?? { ...first, connections: 0 };
    this.unfit.set(kind, { ...known, connections: known.connections + 1 });
  }
}

function messageOf({ message, cause }: Error): string {
  const whole = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return whole.length > toldCharacters ? `${whole.slice(0, toldCharacters)}…` : whole;
}

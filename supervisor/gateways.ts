// The gateways of an installation: kept running, on one port.

import type { GatewayHello } from "../protocol/membership.ts";
import type { Child } from "./child.ts";
import type { Members } from "./members.ts";
import { Restarter, type RestarterOptions } from "./restarter.ts";

export interface GatewaysOptions {
  readonly count: number;
  readonly members: Members;
  readonly spawn: (index: number) => Child;
  readonly onEnd: RestarterOptions["onEnd"];
}

export class Gateways {
  private readonly members: Members;
  private readonly keepers: Restarter[];

  constructor({ count, members, spawn, onEnd }: GatewaysOptions) {
    this.members = members;
    this.keepers = Array.from(
      { length: count },
      (_, index) => new Restarter({ start: () => spawn(index), isProven: ({ hasServed }) => hasServed, onEnd }),
    );
  }

  /** Whether all have said hello. */
  get arePresent(): boolean {
    return this.hellos.length === this.keepers.length;
  }

  /** Whether a message could be answered on all of them. */
  get areServing(): boolean {
    return this.arePresent && this.hellos.every((hello) => hello.serving);
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(this.keepers.map((restarter) => restarter.stop(timeoutMs)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.keepers.map((restarter) => restarter.kill()));
  }

  private get hellos(): GatewayHello[] {
    return this.members.gatewaysAmong(this.keepers.flatMap((restarter) => restarter.child?.pid ?? []));
  }
}

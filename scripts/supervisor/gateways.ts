// The gateways of an installation: kept running, on one port.

import type { GatewayHello } from "../../protocol/membership.ts";
import type { Child } from "./child.ts";
import { Keeper, type KeeperOptions } from "./keeper.ts";
import type { Members } from "./members.ts";

export interface GatewaysOptions {
  readonly count: number;
  readonly members: Members;
  readonly spawn: (index: number) => Child;
  readonly onEnd: KeeperOptions["onEnd"];
}

export class Gateways {
  private readonly members: Members;
  private readonly keepers: Keeper[];

  constructor({ count, members, spawn, onEnd }: GatewaysOptions) {
    this.members = members;
    this.keepers = Array.from(
      { length: count },
      (_, index) => new Keeper({ start: () => spawn(index), isProven: ({ hasServed }) => hasServed, onEnd }),
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
    await Promise.all(this.keepers.map((keeper) => keeper.stop(timeoutMs)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.keepers.map((keeper) => keeper.kill()));
  }

  private get hellos(): GatewayHello[] {
    return this.members.gatewaysAmong(this.keepers.flatMap((keeper) => keeper.child?.pid ?? []));
  }
}

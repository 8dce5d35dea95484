// From which addresses turns and requests come, and from which those that threw: as far as a deploy's watch has to know, to tell a fault of the
// release from what a stranger sends to make it throw.

import { hash } from "node:crypto";
import { networkOf } from "../protocol/address-network.ts";
import { mostHeard, mostThrew, type WorkerAddresses } from "../protocol/membership.ts";

export class TurnSources {
  private readonly heard = new Set<number>();
  private readonly threw = new Set<number>();

  /** A client has asked for something. */
  hear(ip: string): void {
    if (this.heard.size < mostHeard) this.heard.add(numberOf(ip));
  }

  /** … and what was run for it has thrown. */
  blame(ip: string): void {
    if (this.threw.size < mostThrew) this.threw.add(numberOf(ip));
  }

  get hello(): WorkerAddresses {
    return { heard: [...this.heard], threw: [...this.threw] };
  }
}

/** A /48 of IPv6: homes are given a /56, and tunnels and firms a /48, each of many a /64. */
const customerGroups = 3;

/** The same in all workers. */
function numberOf(ip: string): number {
  return hash("sha256", networkOf(ip, customerGroups), "buffer").readUInt32BE(0);
}

// Of whom turns and requests are, and of whom those that threw: as far as a deploy's watch has to know, to tell a fault of the release
// from what a stranger sends to make it throw. A source is a user, where the connection has one, else a network: everyone in an office
// may have one address.

import { hash } from "node:crypto";
import { networkOf } from "../protocol/address-network.ts";
import { mostHeard, mostThrew, type WorkerAddresses } from "../protocol/membership.ts";
import { toWorker } from "../protocol/records.ts";
import type { Mailbox, MailboxEvent } from "./mailbox.ts";

export class TurnSources {
  private readonly heard = new Set<number>();
  private readonly threw = new Set<number>();

  /** A client has asked for something. */
  hear(ip: string, user?: string): void {
    if (this.heard.size < mostHeard) this.heard.add(numberOf(ip, user));
  }

  /** … and what was run for it has thrown. */
  blame(ip: string, user?: string): void {
    if (this.threw.size < mostThrew) this.threw.add(numberOf(ip, user));
  }

  /** A turn has committed. */
  hearTurn(mailbox: Mailbox, { type }: MailboxEvent): void {
    const { user, pin } = mailbox;
    const source = user ?? pin.ip;
    if (type !== toWorker.message || mailbox.heardAs === source) return;
    // Again where a turn has told who it is: otherwise all who do so from one address would be one that spoke, and each one that threw.
    mailbox.heardAs = source;
    this.hear(pin.ip, user);
  }

  get hello(): WorkerAddresses {
    return { heard: [...this.heard], threw: [...this.threw] };
  }
}

/** A /48 of IPv6: homes are given a /56, and tunnels and firms a /48, each of many a /64. */
const customerGroups = 3;

/** The same in all workers. */
function numberOf(ip: string, user: string | undefined): number {
  const source = user === undefined ? networkOf(ip, customerGroups) : `user ${user}`;
  return hash("sha256", source, "buffer").readUInt32BE(0);
}

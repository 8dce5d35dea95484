// Gateways that only say hello, as a large installation's do.

import { connectBus } from "../nats/connection.ts";
import type { Bus } from "../protocol/bus.ts";
import { protocolVersion } from "../protocol/envelope.ts";
import { encodeAnnouncement, type GatewayHello, heartbeatMs } from "../protocol/membership.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import type { Server } from "./side.ts";

/** As `npm start` has it by default. */
const { members: subject } = subjectsOf("thinstate");

export class Members {
  private readonly bus: Bus;
  private readonly ids: readonly string[];
  private readonly timers: NodeJS.Timeout[];

  private constructor(bus: Bus, count: number) {
    this.bus = bus;
    this.ids = Array.from({ length: count }, (_, index) => `bench-${count}-${index}`);
    // Spread over the second, as those that started at different times are.
    this.timers = this.ids.map((id, index) => {
      const say = () => this.bus.publish(subject, encodeAnnouncement(helloOf(id)));
      return setTimeout(() => this.timers.push(setInterval(say, heartbeatMs)), (index * heartbeatMs) / count);
    });
  }

  static async join({ url, credentialsFile = "" }: NonNullable<Server["nats"]>, count: number): Promise<Members> {
    const security = { NATS_CREDENTIALS_FILE: credentialsFile, NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
    return new Members(await connectBus({ url, security, name: "bench", onEvent: () => undefined }), count);
  }

  async leave(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    for (const id of this.ids) this.bus.publish(subject, encodeAnnouncement({ kind: "gone", id, reason: "bye" }));
    await this.bus.close();
  }
}

function helloOf(id: string): GatewayHello {
  return {
    ...{ kind: "gateway", id, pid: 1, host: "bench", protocol: protocolVersion, port: 0, adminPort: 0, startedAt: 0 },
    ...{ connections: 0, parked: 0, messagesIn: 0, messagesOut: 0, serving: true, routes: {}, pins: {} },
  };
}

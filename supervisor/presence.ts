// Connects the supervisor to NATS: it hears what members say, repeats which release is active, tells the others when a process of its
// own has ended, and makes what workers may only use.

import { hostname } from "node:os";
import { connectBus, type NatsBus } from "../nats/connection.ts";
import type { BusSecurity } from "../nats/security.ts";
import { FaultMeter } from "../process/fault-meter.ts";
import { SparseLog } from "../process/sparse-log.ts";
import type { Bus, BusMessage } from "../protocol/bus.ts";
import { type DeployProgress, encodeDeployProgress } from "../protocol/deploy-progress.ts";
import { CodedError } from "../protocol/errors.ts";
import {
  type Activation,
  type Announcement,
  decodeAnnouncement,
  encodeAnnouncement,
  heartbeatMs,
  laterActivation,
  type UnderWay,
} from "../protocol/membership.ts";
import { type Subjects, subjectsOf } from "../protocol/subjects.ts";
import { decodeWorkerAnnouncement, type WorkerAnnouncement } from "../protocol/worker-announcement.ts";
import { ExitNotices } from "./exit-notices.ts";
import { Watchdog } from "./hung-workers.ts";
import type { Log } from "./log-display.ts";
import { Members } from "./members.ts";

/** A NATS server that we were told to use does not answer. */
export class NatsUnreachable extends Error {}

const connectTimeoutMs = 5_000;
/** Deploys that whoever asks is told of again. */
const keptDeploys = 5;

export interface MembershipOptions {
  readonly natsUrl: string;
  readonly natsSecurity: BusSecurity;
  readonly namespace: string;
  readonly log: Pick<Log, "event">;
  /** How long a worker of this machine may be silent, and what becomes of one that was so for longer. */
  readonly hungAfterMs: number;
  readonly onHung: (pid: number, underWay: readonly UnderWay[]) => void;
}

/** What is said of them, and where. */
interface Faults {
  readonly sparseLog: SparseLog;
  readonly onFault: (error: unknown) => void;
}

export class Membership {
  readonly members = new Members(hostname(), (announcement) => this.say(announcement));
  private readonly exitNotices = new ExitNotices(hostname());
  private readonly watchdog: Watchdog;
  private readonly bus: Bus;
  private readonly subjects: Subjects;
  /** What was said last of each, the oldest first. */
  private readonly deploys = new Map<string, Uint8Array>();
  private readonly heartbeat: NodeJS.Timeout;
  private readonly sparseLog: SparseLog;
  private activation: Activation | undefined;

  private constructor(bus: Bus, options: MembershipOptions, { sparseLog, onFault }: Faults) {
    this.subjects = subjectsOf(options.namespace);
    const { members: subject, membersFromWorkers } = this.subjects;
    this.bus = bus;
    this.sparseLog = sparseLog;
    this.watchdog = new Watchdog({ host: hostname(), limitMs: options.hungAfterMs });
    const hear = (decode: (payload: Uint8Array) => Announcement) => (message: BusMessage) => {
      try {
        const announcement = decode(message.payload);
        this.members.hear(announcement, performance.now());
        this.watchdog.hear(announcement);
        this.exitNotices.hear(announcement);
        // Somebody has just started, and may not wait for the next heartbeat to learn who is active.
        if (announcement.kind === "ask") this.answer();
      } catch (error) {
        onFault(error);
      }
    };
    bus.subscribe(subject, hear(decodeAnnouncement));
    bus.subscribe(
      membersFromWorkers,
      hear((payload) => this.ofWorkers(decodeWorkerAnnouncement(payload))),
    );
    this.say({ kind: "ask" });
    this.heartbeat = setInterval(() => {
      this.members.forgetSilent(performance.now());
      for (const pid of this.watchdog.tick(performance.now(), bus.connected)) options.onHung(pid, this.underWayAt(pid));
      this.sayActivation();
      if (bus.connected) this.repeatExitNotices();
      sparseLog.sweep();
    }, heartbeatMs);
  }

  /** @throws {NatsUnreachable} */
  static async join(options: MembershipOptions): Promise<Membership> {
    const { natsUrl, natsSecurity, log } = options;
    const sparseLog = sparseOf(log);
    const faults = new FaultMeter((kind, error, text) => sparseLog.warn(kind, { err: describe(error) }, text));
    const onFault = (error: unknown) => faults.meet(error);
    let membership: Membership | undefined;
    const bus = await withinTime(natsUrl, (onFailure) =>
      connectBus({
        url: natsUrl,
        security: natsSecurity,
        name: "supervisor",
        replies: subjectsOf(options.namespace).replies,
        connectTimeoutMs,
        onEvent: (event) => {
          if (event.kind === "unreached") return onFailure(event.error as Error);
          if (event.kind === "fault") return onFault(event.error);
          log.event("info", event.kind === "connected" ? "NATS is back" : "NATS is gone");
          if (event.kind === "disconnected") return;
          membership?.reconnected();
          // It may be another nats-server, or one that has lost its disk.
          void prepareStores(bus, options.namespace);
        },
      }),
    );
    await prepareStores(bus, options.namespace);
    membership = new Membership(bus, options, { sparseLog, onFault });
    return membership;
  }

  /** Announces it now and from now on. */
  announce(activation: Activation): void {
    this.activation = activation;
    this.sayActivation();
  }

  /** Tells whoever looks now, and whoever asks from now on. */
  tellDeploy(progress: DeployProgress): void {
    const bytes = encodeDeployProgress(progress);
    this.deploys.set(progress.id, bytes);
    const [oldest] = this.deploys.keys();
    if (this.deploys.size > keptDeploys && oldest !== undefined) this.deploys.delete(oldest);
    this.bus.publish(this.subjects.deploys, bytes);
  }

  /** A process of ours has this id from now on. */
  started(pid: number): void {
    this.exitNotices.started(pid);
  }

  /** A process of ours has ended: others need not wait until its silence tells. @returns whether it had taken part. */
  ended(pid: number): boolean {
    this.watchdog.ended(pid);
    const departure = this.exitNotices.ended(pid);
    if (departure === undefined) return false;
    this.members.forget(departure.id);
    this.say(departure);
    return true;
  }

  async leave(): Promise<void> {
    clearInterval(this.heartbeat);
    this.sparseLog.end();
    await this.bus.close();
  }

  /** What gateways had given to a worker that they have given up. */
  private underWayAt(pid: number): UnderWay[] {
    const id = this.exitNotices.memberOf(pid);
    return this.members.gateways.flatMap(({ silent }) => (id === undefined ? [] : (silent?.[id] ?? [])));
  }

  /** @throws {CodedError} "envelope.malformed" where a worker speaks of a gateway. */
  private ofWorkers(announcement: WorkerAnnouncement): WorkerAnnouncement {
    if (announcement.kind !== "ask" && this.members.gateways.some(({ id }) => id === announcement.id)) {
      throw new CodedError("envelope.malformed", `a worker speaks of gateway ${announcement.id}`);
    }
    return announcement;
  }

  private reconnected(): void {
    // A gateway may have asked while this was away.
    this.sayActivation();
    this.exitNotices.reconnected();
    this.repeatExitNotices();
  }

  private repeatExitNotices(): void {
    for (const departure of this.exitNotices.repeat()) this.say(departure);
  }

  /** Also what another operator has activated: it outlives that one. */
  private sayActivation(): void {
    const activation = laterActivation(this.activation, this.members.heardActivation);
    if (activation !== undefined) this.say({ kind: "activate", activation });
  }

  private answer(): void {
    this.sayActivation();
    for (const bytes of this.deploys.values()) this.bus.publish(this.subjects.deploys, bytes);
  }

  private say(announcement: Announcement): void {
    this.bus.publish(this.subjects.members, encodeAnnouncement(announcement));
  }
}

/**
 * Makes the buckets that are missing. A NATS of somebody's own may have no JetStream, or let workers do this: it is they who say so when a
 * handler needs it.
 */
async function prepareStores(bus: NatsBus, namespace: string): Promise<void> {
  const stores = [bus.oneTimeStore(namespace), bus.taskStore(namespace)];
  await Promise.allSettled(stores.map((store) => store.prepare()));
}

/**
 * The client itself waits for ever: a gateway may start before its NATS does. Here a person waits: a name that nobody has is told of at
 * once, and else why the last attempt has failed.
 */
function withinTime(natsUrl: string, connect: (onFailure: (error: NodeJS.ErrnoException) => void) => Promise<NatsBus>): Promise<NatsBus> {
  return new Promise((resolve, reject) => {
    let reason = "";
    const end = (settle: () => void) => {
      clearTimeout(timer);
      settle();
    };
    const fail = (why: string, cause?: unknown) =>
      end(() => reject(new NatsUnreachable(`NATS_URL=${natsUrl} cannot be reached: ${why}`, { cause })));
    const timer = setTimeout(() => fail(`no answer within ${connectTimeoutMs} ms${reason}`), connectTimeoutMs);
    const connecting = connect((error) => {
      reason = `: ${error.message}`;
      if (error.code === "ENOTFOUND" || error.code === "EAI_AGAIN") fail(error.message, error);
    });
    connecting.then(
      (bus) => end(() => resolve(bus)),
      (error: Error) => fail(error.message, error),
    );
  });
}

function sparseOf(log: Pick<Log, "event">): SparseLog {
  const write = (level: "warn" | "error") => (fields: object, text: string) => log.event(level, text, { ...fields });
  return new SparseLog({ warn: write("warn"), error: write("error") }, () => performance.now());
}

function describe(error: unknown): { message: string; stack?: string | undefined } {
  return error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error) };
}

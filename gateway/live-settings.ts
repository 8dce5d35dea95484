// The settings as they are now, and what each part is given of them: some change while the gateway runs.

import { isDeepStrictEqual } from "node:util";
import { AddressList } from "./address-list.ts";
import type { AllGatewaysLimits } from "./api/all-gateways.ts";
import type { Certificate } from "./certificate.ts";
import { clientLimitRates } from "./client-limit-settings.ts";
import type { ClientLimitsOptions } from "./client-limits.ts";
import type { GatewayConfig } from "./config.ts";
import type { DispatchLimits } from "./dispatch-options.ts";
import { hostsOf } from "./hosts.ts";
import {
  allGatewaysLimits,
  dispatchLimits,
  historyLimits,
  interestLimits,
  lockLimits,
  memberLimits,
  requestLimits,
  serverLimits,
  slowClientLimits,
  timerLimits,
  topicLimits,
  workerLimits,
} from "./limits.ts";
import type { LockLimits } from "./locks/locks.ts";
import type { MemberLimits } from "./members.ts";
import type { InterestLimits } from "./paced-interest.ts";
import type { SlowClientLimits } from "./slow-clients.ts";
import type { TimerLimits } from "./timers.ts";
import type { TopicLimits } from "./topics.ts";
import type { UpgradesOptions } from "./upgrade.ts";
import type { Server, ServerOptions } from "./uws/server.ts";
import type { WorkerLimits } from "./workers.ts";

export class LiveSettings {
  config: GatewayConfig;
  /** undefined: clients speak without TLS. */
  certificate: Certificate | undefined;
  /** Those of TRUSTED_PROXIES. */
  proxies: AddressList;
  /** Those of HOSTS. */
  hosts: readonly string[];
  /** Those of UNLIMITED_ADDRESSES. */
  unlimited: AddressList;
  /** Whoever was given one of these reads it each time. */
  readonly dispatch: DispatchLimits;
  readonly clients: ClientLimitsOptions["rates"];
  readonly requests: UpgradesOptions<object>["limits"];
  readonly topics: TopicLimits;
  readonly interest: InterestLimits;
  readonly members: MemberLimits;
  readonly locks: LockLimits;
  readonly timers: TimerLimits;
  readonly history: ReturnType<typeof historyLimits>;
  readonly slowClients: SlowClientLimits;
  readonly workers: WorkerLimits;
  readonly allGateways: AllGatewaysLimits;
  private readonly maxPayloadBytes: number;

  /** @param maxPayloadBytes What NATS takes in one message. */
  constructor(config: GatewayConfig, certificate: Certificate | undefined, maxPayloadBytes: number) {
    this.config = config;
    this.certificate = certificate;
    this.proxies = new AddressList(config.TRUSTED_PROXIES);
    this.hosts = hostsOf(config.HOSTS);
    this.unlimited = unlimitedOf(config);
    this.dispatch = dispatchLimits(config);
    this.clients = clientLimitRates(config);
    this.requests = requestLimits(config);
    this.topics = topicLimits(config, maxPayloadBytes);
    this.interest = interestLimits(config);
    this.members = memberLimits(config);
    this.locks = lockLimits(config);
    this.timers = timerLimits(config);
    this.history = historyLimits(config, maxPayloadBytes);
    this.slowClients = slowClientLimits(config);
    this.workers = workerLimits(config);
    this.allGateways = allGatewaysLimits(config);
    this.maxPayloadBytes = maxPayloadBytes;
  }

  get server(): ServerOptions {
    const { config, certificate } = this;
    return { host: config.HOST, port: config.PORT, tls: certificate, limits: serverLimits(config) };
  }

  /**
   * Goes on with other settings: at once where that is possible, else for new connections. See liveSettings in config.ts.
   * @param server What listens with the present ones.
   * @throws where uWebSockets.js refuses the certificate; then nothing has changed.
   */
  async change(config: GatewayConfig, certificate: Certificate | undefined, server: Pick<Server, "renew"> | undefined): Promise<void> {
    const limits = serverLimits(config);
    const isSameServer = isDeepStrictEqual(limits, serverLimits(this.config)) && certificate?.fingerprint === this.certificate?.fingerprint;
    if (!isSameServer) await server?.renew({ tls: certificate, limits });
    this.config = config;
    this.certificate = certificate;
    this.proxies = new AddressList(config.TRUSTED_PROXIES);
    this.hosts = hostsOf(config.HOSTS);
    this.unlimited = unlimitedOf(config);
    Object.assign(this.dispatch, dispatchLimits(config));
    Object.assign(this.clients, clientLimitRates(config));
    Object.assign(this.requests, requestLimits(config));
    Object.assign(this.topics, topicLimits(config, this.maxPayloadBytes));
    Object.assign(this.interest, interestLimits(config));
    Object.assign(this.members, memberLimits(config));
    Object.assign(this.locks, lockLimits(config));
    Object.assign(this.timers, timerLimits(config));
    Object.assign(this.history, historyLimits(config, this.maxPayloadBytes));
    Object.assign(this.slowClients, slowClientLimits(config));
    Object.assign(this.workers, workerLimits(config));
    Object.assign(this.allGateways, allGatewaysLimits(config));
  }
}

function unlimitedOf({ UNLIMITED_ADDRESSES }: GatewayConfig): AddressList {
  return new AddressList(UNLIMITED_ADDRESSES === "none" ? "" : UNLIMITED_ADDRESSES);
}

// Every fault. Those with one shape stand together: they share an installation.

import { clientFaults } from "./clients.ts";
import { cutFaults } from "./cuts.ts";
import type { Fault } from "./fault.ts";
import { gatewayFaults } from "./gateways.ts";
import { natsFaults, ownNatsFaults } from "./nats.ts";
import { poisonFaults } from "./poison.ts";
import { releaseFaults } from "./releases.ts";
import { onlyWorkerFaults, workerFaults } from "./workers.ts";

export const faults: readonly Fault[] = [
  ...workerFaults,
  ...releaseFaults,
  ...poisonFaults,
  ...clientFaults,
  ...cutFaults,
  ...natsFaults,
  ...ownNatsFaults,
  ...onlyWorkerFaults,
  ...gatewayFaults,
];

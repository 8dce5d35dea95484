// The HTTP API: what programs that are no handlers can publish.

import type { HttpFigures } from "../http/main.ts";
import { noFaults } from "../load/faults.ts";
import type { Row } from "../row.ts";

export const httpRow: Row = {
  name: "http-publish",
  title: "publish of 64 bytes over HTTP, 64 connections × 1 in flight, nobody subscribes",
  connections: 64,
  isAlone: true,
  figures: [{ name: "publishes", title: "publishes", unit: "/s", better: "more", goal: { of: "value", bound: 20_000 } }],
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 1 }, async (server) => {
      const key = server.addApiKey?.() ?? "";
      const args = [server.host, String(server.port), key];
      const { perSecond, loadShare, refused, disconnected } = await trial.inProcess<HttpFigures>("bench/http/main.ts", args);
      return { samples: { publishes: { value: perSecond, loadShare } }, faults: { ...noFaults, lost: refused, disconnected } };
    }),
};

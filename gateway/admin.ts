// The admin port: what operators and load balancers ask the gateway, on loopback only.

import { createServer, type Server } from "node:http";
import type { Gateway } from "./gateway.ts";

/** @returns once it listens; rejects where the port is taken. */
export function listenAdmin(gateway: Gateway, port: number): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = "text/plain; charset=utf-8") => {
      response.writeHead(status, { "content-type": type }).end(`${body}\n`);
    };
    if (request.method !== "GET" && request.method !== "HEAD") return answer(405, "only GET");
    switch (request.url) {
      case "/healthz":
        return answer(200, "ok");
      case "/readyz": {
        const reason = whyNotReady(gateway);
        return reason === undefined ? answer(200, "ok") : answer(503, reason);
      }
      case "/status":
        return answer(200, JSON.stringify(status(gateway), undefined, 2), "application/json");
      default:
        return answer(404, "there are /healthz, /readyz and /status");
    }
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve({ server, port: typeof address === "object" && address !== null ? address.port : port });
    });
  });
}

function whyNotReady(gateway: Gateway): string | undefined {
  if (!gateway.connected) return "NATS is not connected: messages park";
  if (!gateway.dispatcher.serving) return "no worker of the active release: messages park";
  return undefined;
}

function status(gateway: Gateway): object {
  return {
    ...gateway.hello(),
    nats: { connected: gateway.connected },
    counters: {
      ...gateway.counters,
      ...gateway.dispatcher.counters,
      ...gateway.commits.counters,
      upgrades: gateway.upgrades.counters,
      topics: { subscribed: gateway.topics.size, ...gateway.topics.counters },
      faults: gateway.faults.counts,
    },
    memory: process.memoryUsage.rss(),
    timers: process.getActiveResourcesInfo().filter((name) => name === "Timeout").length,
  };
}

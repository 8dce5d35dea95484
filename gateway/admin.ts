// The admin port: what operators and load balancers ask the gateway. It asks nobody who they are, so it is on loopback unless ADMIN_HOST
// says otherwise.

import { createServer, type Server } from "node:http";
import { hostname } from "node:os";
import { memoryUsage } from "../process/memory-usage.ts";
import type { Metric } from "../process/metric.ts";
import { shown } from "../process/settings.ts";
import { DashboardAnswers, dashboardPaths } from "./dashboard/answers.ts";
import { Dashboard } from "./dashboard/dashboard.ts";
import type { Gateway } from "./gateway.ts";
import { helloOf } from "./hello.ts";
import { isHostOfAdmin } from "./hosts.ts";
import { gatewayMetrics } from "./metrics.ts";
import { metricsText, metricsTextType } from "./metrics-text.ts";

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const pages: Readonly<Record<string, (gateway: Gateway) => Page | Promise<Page>>> = {
  "/healthz": () => text(200, "ok"),
  "/readyz": (gateway) => {
    const reason = whyNotReady(gateway);
    return reason === undefined ? text(200, "ok") : text(503, reason);
  },
  "/status": (gateway) => ({ status: 200, type: "application/json", body: JSON.stringify(status(gateway), undefined, 2) }),
  "/metrics": async (gateway) => metrics([gatewayMetrics(gateway), gateway.meter.read()]),
  "/metrics/workers": async (gateway) => metrics(await gateway.backend.scrapes.scrape([...gateway.backend.workers.all()])),
};

/** @returns once it listens; rejects where the port is taken, or the host is none of this machine. */
export function listenAdmin(gateway: Gateway, { host, port }: { host: string; port: number }): Promise<{ server: Server; port: number }> {
  const dashboard = new DashboardAnswers(dashboardOf(gateway), (error) => gateway.backend.meetFault(error));
  const server = createServer(async (request, response) => {
    const { method, url = "" } = request;
    const isOurs = isHostOfAdmin(request.headers.host, [host, hostname(), ...gateway.settings.hosts]);
    const ofDashboard = isOurs && isRead(method) ? dashboard.at(pathOf(url)) : undefined;
    if (ofDashboard !== undefined) return ofDashboard(request, response);
    const { status, type, body } = isOurs ? await pageOf(gateway, method, url) : misdirected(request.headers.host ?? "");
    response.writeHead(status, { "content-type": type }).end(`${body}\n`);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve({ server, port: typeof address === "object" && address !== null ? address.port : port });
    });
  });
}

/** Whether nobody but this machine can ask. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function dashboardOf(gateway: Gateway): Dashboard {
  const { backend } = gateway;
  return new Dashboard({
    hello: () => helloOf(gateway),
    hasNats: () => backend.connected,
    listen: ({ hear, hearDeploy, hearErrors }) => {
      const ends = [backend.announcements.listen(hear), backend.listenToDeploys(hearDeploy)];
      backend.scrapes.onErrors = hearErrors;
      return () => {
        for (const end of ends) end();
        backend.scrapes.onErrors = undefined;
      };
    },
    ask: () => backend.presence.say({ kind: "ask" }),
    askErrors: (after) => backend.scrapes.askErrors(after),
    onBug: (error) => backend.meetFault(error),
  });
}

function isRead(method: string | undefined): boolean {
  return method === "GET" || method === "HEAD";
}

async function pageOf(gateway: Gateway, method: string | undefined, url: string): Promise<Page> {
  if (!isRead(method)) return text(405, "only GET");
  const path = pathOf(url);
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) return text(404, `there are ${[...Object.keys(pages), ...dashboardPaths].join(", ")}`);
  try {
    return await page(gateway);
  } catch (error) {
    // Whoever asks must not end what serves clients.
    gateway.backend.meetFault(error);
    return text(500, "a bug: see the gateway's log");
  }
}

/** Not 403: nobody of ours is called so. RFC 9110, 15.5.20. */
function misdirected(host: string): Page {
  return text(421, `the admin port is not ${shown(host)}: ask it by its address, or add this name to HOSTS`);
}

/** Without the query, and a slash at the end of more than that. */
function pathOf(url: string): string {
  const [path = ""] = url.split("?", 1);
  return path.endsWith("/") && path !== "/" ? path.slice(0, -1) : path;
}

async function metrics(sources: readonly (readonly Metric[])[]): Promise<Page> {
  return { status: 200, type: metricsTextType, body: await metricsText(sources) };
}

function text(status: number, body: string): Page {
  return { status, type: "text/plain; charset=utf-8", body };
}

function whyNotReady(gateway: Gateway): string | undefined {
  if (gateway.frontend.upgrades.isDraining) return "it ends: no new connections";
  if (!gateway.backend.connected) return "NATS is not connected: messages park";
  if (!gateway.dispatcher.serving) return "no worker of the active release: messages park";
  return undefined;
}

function status(gateway: Gateway): object {
  return {
    ...helloOf(gateway),
    nats: { connected: gateway.backend.connected },
    counters: {
      ...gateway.counters,
      ...gateway.dispatcher.counters,
      ...gateway.commits.counters,
      upgrades: gateway.frontend.upgrades.outcomes.upgrade.counts,
      requests: gateway.frontend.upgrades.outcomes.request.counts,
      topics: { subscribed: gateway.topics.size, ...gateway.topics.counters },
      faults: gateway.backend.faults.counts,
    },
    memory: memoryUsage().rss,
    timers: process.getActiveResourcesInfo().filter((name) => name === "Timeout").length,
  };
}

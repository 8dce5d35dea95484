// The dashboard over HTTP, on the admin port: its page, and the stream of server-sent events that the page draws. Read only.

import type { IncomingMessage, ServerResponse } from "node:http";
import { takesGzip } from "../../process/accept-encoding.ts";
import { CodedError } from "../../protocol/errors.ts";
import type { Dashboard } from "./dashboard.ts";
import { PageFiles, pagePaths } from "./page-files.ts";
import { mostViewers } from "./viewers.ts";

const eventsPath = "/dashboard/events";

/** The dashboard's own, for whoever asks for another one. */
export const dashboardPaths: readonly string[] = [...pagePaths, eventsPath];

/** All that the page needs comes from here, and no other page may show it. uPlot sets styles by script, which this does not forbid. */
const policy = ["script-src", "style-src", "connect-src"].map((kind) => `${kind} 'self'`).join("; ");
const headers = {
  "content-security-policy": `default-src 'none'; ${policy}; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export class DashboardAnswers {
  private readonly dashboard: Dashboard;
  private readonly onBug: (error: unknown) => void;
  private readonly files = new PageFiles();

  constructor(dashboard: Dashboard, onBug: (error: unknown) => void) {
    this.dashboard = dashboard;
    this.onBug = onBug;
  }

  /** @returns what answers GET and HEAD of this path, and never throws; undefined where the dashboard has no such path. */
  at(path: string): Answer | undefined {
    if (!dashboardPaths.includes(path)) return undefined;
    return (request, response) => {
      try {
        if (path === eventsPath) this.stream(request, response);
        else this.file(path, request, response);
      } catch (error) {
        // Whoever looks must not end what serves clients.
        this.onBug(error);
        response.destroy();
      }
    };
  }

  private file(path: string, request: IncomingMessage, response: ServerResponse): void {
    const { type, bytes, gzip, etag } = this.files.at(path);
    // Asked for each time: a gateway of another version has other files.
    const about = { ...headers, etag, vary: "accept-encoding", "cache-control": "no-cache" };
    if (request.headers["if-none-match"] === etag) return void response.writeHead(304, about).end();
    const isCompressed = takesGzip(request.headers["accept-encoding"]);
    const body = isCompressed ? gzip : bytes;
    const encoding = isCompressed && { "content-encoding": "gzip" };
    response.writeHead(200, { ...about, "content-type": type, "content-length": body.length, ...encoding });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  private stream(request: IncomingMessage, response: ServerResponse): void {
    const { dashboard } = this;
    const refuse = (status: number, text: string) =>
      void response.writeHead(status, { ...headers, "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
    // Browsers say so. Such a page could not read the stream, but take the place of somebody who may. A page on another port of this host is
    // another one, too, though of the same site.
    if (!["same-origin", "none", undefined].includes(request.headers["sec-fetch-site"] as string | undefined))
      return refuse(403, "pages of other sites may not look");
    // It waits behind an answer that has not ended, and Node.js would not say when its client is gone: its place would stay taken.
    if (response.socket === null) return refuse(400, "ask for the events on a connection of their own");
    if (dashboard.viewers.isFull) {
      const text = `${mostViewers} pages look at this gateway's dashboard: close some, or look at another gateway's`;
      return refuse(503, new CodedError("dashboard.full", text).message);
    }
    const about = { ...headers, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" };
    response.writeHead(200, about);
    if (request.method === "HEAD") return void response.end();
    response.on("close", () => dashboard.leave(response));
    dashboard.join(response);
  }
}

// SockJS without WebSockets: the requests of a session over HTTP. Each receiver is a way to write frames into an answer; what the client sends
// comes in requests beside it. The gateway keeps the session: see worker/session.ts.

import { createHash } from "node:crypto";
import type { RequestContext, Welcome } from "../../handler.ts";
import { deliverMessages, openSession, type Receive, receiveFrames, type SessionAnswer } from "../../session.ts";
import { withHeaders } from "../response-headers.ts";
import { closeFrame, parseMessages } from "./frames.ts";
import { notCached, notFound, preflight, refused, wrongMethod } from "./pages.ts";

interface Transport {
  readonly method: "GET" | "POST";
  readonly type: string;
  /** How frames are written; missing: it is for what the client sends. */
  readonly frames?: Pick<Receive, "mode" | "maxFrames" | "prelude" | "before" | "after" | "escape">;
  /** The same for a function of the page that is to be called. */
  readonly calls?: (callback: string) => NonNullable<Transport["frames"]>;
}

const javascript = "application/javascript; charset=UTF-8";
const text = "text/plain; charset=UTF-8";

/** By the last part of their paths. */
const transports: Readonly<Record<string, Transport>> = {
  // "XhrPolling: `/*/*/xhr`, `/*/*/xhr_send`"
  xhr: { method: "POST", type: javascript, frames: { mode: "poll", maxFrames: 1, after: "\n" } },
  xhr_send: { method: "POST", type: text },
  // "XhrStreaming: `/*/*/xhr_streaming`"
  xhr_streaming: { method: "POST", type: javascript, frames: { mode: "stream", prelude: `${"h".repeat(2048)}\n`, after: "\n" } },
  // "EventSource: `/*/*/eventsource`"; sockjs-client undoes percent signs.
  eventsource: {
    method: "GET",
    type: "text/event-stream",
    frames: { mode: "stream", prelude: "\r\n", before: "data: ", after: "\r\n\r\n", escape: "percent" },
  },
  // "HtmlFile: `/*/*/htmlfile`"
  htmlfile: {
    method: "GET",
    type: "text/html; charset=UTF-8",
    calls: (callback) => ({
      mode: "stream",
      prelude: htmlfileHead(callback),
      before: '<script>\np("',
      after: '");\n</script>\r\n',
      escape: "json",
    }),
  },
  // "JsonpPolling: `/*/*/jsonp`, `/*/*/jsonp_send`"; the comment is against SWF in disguise.
  jsonp: {
    method: "GET",
    type: javascript,
    calls: (callback) => ({ mode: "poll", maxFrames: 1, before: `/**/${callback}("`, after: '");\r\n', escape: "json" }),
  },
  jsonp_send: { method: "POST", type: text },
};

interface SessionRequest {
  readonly transport: string;
  /** The client's part of the URL; empty: it has none. */
  readonly session: string;
  /** Of all answers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly responseBytes: number;
  readonly disconnectMs: number;
  /** Asked once for each session. */
  readonly onUpgrade: () => Promise<Welcome | Response | undefined>;
}

/** Answers a request of a session. */
export async function answerSession(
  request: Request,
  { sessionMissing }: Pick<RequestContext, "sessionMissing">,
  asked: SessionRequest,
): Promise<Response | SessionAnswer> {
  const transport = Object.hasOwn(transports, asked.transport) ? transports[asked.transport] : undefined;
  if (transport === undefined || asked.session === "") return notFound();
  const { method, type } = transport;
  if (request.method === "OPTIONS") return preflight(`OPTIONS, ${method}`, asked.headers);
  if (request.method !== method) return wrongMethod(`OPTIONS, ${method}`);
  const headers = { "content-type": type, "x-content-type-options": "nosniff", ...notCached, ...asked.headers };
  // "A session is identified by only `session_id`", under the handler's own URL.
  const base = new URL(request.url).pathname.split("/").slice(0, -3).join("/");
  const key = createHash("sha256").update(`sockjs ${base} ${asked.session}`).digest("base64url");
  const frames = transport.calls === undefined ? transport.frames : callIn(request, transport.calls);
  if (frames instanceof Response) return frames;
  if (frames === undefined) return deliver(request, asked.transport, key, headers);
  const receive: Receive = {
    headers,
    ...frames,
    maxBytes: asked.responseBytes,
    join: { begin: "a[", between: ",", end: "]" },
    missing: "again",
    // "The server must not allow two receiving connections to wait on a single session."
    busy: { frame: closeFrame(2010, "Another connection still open") },
    // "When a polling request is closed by a network error … the session should be automatically closed."
    gone: { code: 1006, reason: "Connection interrupted", last: closeFrame(1002, "Connection interrupted") },
  };
  if (!sessionMissing) return receiveFrames({ key, receive });
  const welcome = await asked.onUpgrade();
  if (welcome instanceof Response) return withHeaders(welcome, asked.headers);
  return openSession({
    key,
    user: welcome?.user,
    state: welcome?.state,
    expiresAt: welcome?.expiresAt,
    idleMs: asked.disconnectMs,
    // "Until the timeout occurs, the server must constantly serve the close message."
    linger: { ms: asked.disconnectMs, repeatLast: true },
    closeFrame: "c[{code},{reason}]",
    receive: { ...receive, headers: { ...headers, ...welcome?.headers } },
  });
}

/** The client's messages, one each: as a WebSocket's frames they are JSON. */
async function deliver(request: Request, name: string, key: string, headers: Record<string, string>): Promise<Response | SessionAnswer> {
  const isForm = request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded") === true;
  const body = await request.text();
  const payload = name === "jsonp_send" && isForm ? (new URLSearchParams(body).get("d") ?? "") : body;
  if (payload === "") return refused("Payload expected.", headers);
  const texts = parseMessages(payload);
  if (texts === undefined) return refused("Broken JSON encoding.", headers);
  const messages = texts.map((each) => JSON.stringify([each]));
  // "Konqueror does weird things on 204."
  const response = name === "jsonp_send" ? { headers, body: "ok" } : { status: 204, headers };
  return deliverMessages({ key, messages, response, missing: { status: 404, headers } });
}

function callIn<Frames>({ url }: Request, calls: (callback: string) => Frames): Frames | Response {
  const { searchParams } = new URL(url);
  const callback = searchParams.get("c") ?? searchParams.get("callback");
  if (callback === null) return refused('"callback" parameter required');
  // "Invalid characters are any matching the following regexp"; and no longer than any client's.
  return /[^a-zA-Z0-9-_.]|^.{33}/.test(callback) ? refused('invalid "callback" parameter') : calls(callback);
}

function htmlfileHead(callback: string): string {
  const head = `<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.${callback};
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
`;
  // Browsers look at the first 1,024 bytes before they show anything.
  return `${head.padEnd(1024)}\r\n\r\n`;
}

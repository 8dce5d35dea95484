// A debugger of Node's inspector, as Chrome and VS Code are: it speaks the DevTools protocol over a WebSocket, and finds places in
// TypeScript by the source maps that the inspector hands out.

import { SourceMap, type SourceMapPayload } from "node:module";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { until } from "./installation.ts";

interface Location {
  readonly scriptId: string;
  readonly lineNumber: number;
  readonly columnNumber?: number;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Script {
  readonly scriptId: string;
  readonly map: SourceMap;
}

/** Where a worker stands. */
export interface Pause {
  /** "/clone/worker/handlers/chat.ts:12", the innermost first. */
  readonly places: readonly string[];
  readonly frame: string;
}

export class Debugger {
  /** By the file that was written. */
  private readonly scripts = new Map<string, Script>();
  private readonly files = new Map<string, string>();
  private readonly answers = new Map<number, Message>();
  private readonly signal = new Signal();
  private readonly socket: WebSocket;
  private last = 0;
  private pause: Pause | undefined;
  private isClosed = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => {
      this.hear(JSON.parse(data.toString()) as Message);
      this.signal.tell();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
      this.signal.tell();
    });
  }

  /** @param address "127.0.0.1:9229": tried until a debugger is let in. */
  static attach(address: string): Promise<Debugger> {
    return until("an inspector", async () => {
      const list = await fetch(`http://${address}/json/list`).then(
        (response) => response.json(),
        () => [],
      );
      const [target] = list as Array<{ webSocketDebuggerUrl: string }>;
      if (target === undefined) return undefined;
      const socket = new WebSocket(target.webSocketDebuggerUrl);
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.once("open", () => resolve(true));
        socket.once("error", () => resolve(false));
      });
      if (!isOpen) return undefined;
      const attached = new Debugger(socket);
      await attached.ask("Debugger.enable");
      return attached;
    });
  }

  /** @param line counted from 1. */
  async breakAt(file: string, line: number): Promise<void> {
    await this.until(() => this.scripts.has(file), `${file} is loaded`);
    const { scriptId, map } = this.scripts.get(file) as Script;
    const start = { scriptId, lineNumber: 0, columnNumber: 0 };
    const { locations } = await this.ask<{ locations: Location[] }>("Debugger.getPossibleBreakpoints", { start });
    const location = locations.find((each) => lineOf(map, each) === line);
    if (location === undefined) throw new Error(`no breakpoint is possible at ${file}:${line}`);
    await this.ask("Debugger.setBreakpoint", { location });
  }

  async paused(): Promise<Pause> {
    await this.until(() => this.pause !== undefined, "a breakpoint is met");
    return this.pause as Pause;
  }

  /** @returns the value of an expression where the worker stands. */
  async evaluate(expression: string): Promise<unknown> {
    const { frame } = await this.paused();
    const options = { callFrameId: frame, expression, returnByValue: true };
    const { result } = await this.ask<{ result: { value: unknown } }>("Debugger.evaluateOnCallFrame", options);
    return result.value;
  }

  async resume(): Promise<void> {
    this.pause = undefined;
    await this.ask("Debugger.resume");
  }

  /** Resolves when it was cut off. */
  closed(): Promise<void> {
    return this.until(() => this.isClosed, "the debugger is cut off", false);
  }

  close(): void {
    this.socket.close();
  }

  private async ask<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.last;
    this.socket.send(JSON.stringify({ id, method, params }));
    await this.until(() => this.answers.has(id), `${method} is answered`);
    const { error, result } = this.answers.get(id) as Message;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result as T;
  }

  private async until(isSo: () => boolean, what: string, isAttached = true): Promise<void> {
    await this.signal.until(() => isSo() || (isAttached && this.isClosed), what, patienceMs);
    if (!isSo()) throw new Error(`the debugger was cut off: ${what}`);
  }

  private hear(message: Message): void {
    if (message.id !== undefined) this.answers.set(message.id, message);
    if (message.method === "Debugger.scriptParsed") this.parsed(message.params as { scriptId: string; url: string; sourceMapURL: string });
    if (message.method !== "Debugger.paused") return;
    const { callFrames } = message.params as { callFrames: Array<{ callFrameId: string; location: Location }> };
    this.pause = { places: callFrames.map(({ location }) => this.placeOf(location)), frame: callFrames[0]?.callFrameId ?? "" };
  }

  private parsed({ scriptId, url, sourceMapURL }: { scriptId: string; url: string; sourceMapURL: string }): void {
    if (!url.startsWith("file:") || !sourceMapURL.startsWith("data:")) return;
    const payload = JSON.parse(Buffer.from(sourceMapURL.split(",")[1] ?? "", "base64").toString()) as SourceMapPayload;
    const file = payload.sources[0] ?? fileURLToPath(url);
    this.scripts.set(file, { scriptId, map: new SourceMap(payload) });
    this.files.set(scriptId, file);
  }

  private placeOf(location: Location): string {
    const file = this.files.get(location.scriptId) ?? "?";
    const script = this.scripts.get(file);
    return `${file}:${script === undefined ? location.lineNumber + 1 : lineOf(script.map, location)}`;
  }
}

function lineOf(map: SourceMap, { lineNumber, columnNumber = 0 }: Location): number | undefined {
  const entry = map.findEntry(lineNumber, columnNumber);
  return "originalLine" in entry ? entry.originalLine + 1 : undefined;
}

// A client of test/handlers/sessions/line.ts: one poll, or one stream, after the other, and requests that send beside it. Each request has a
// TCP connection of its own, so that they reach whichever gateways there are.

import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";

export interface LineAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** As they came. */
  readonly chunks: readonly string[];
}

/** Asks once. */
export async function ask(url: string, { method = "GET", body = "" }: { method?: string; body?: string } = {}): Promise<LineAnswer> {
  const sent = request(url.replace(/^ws/, "http"), { method, agent: false });
  sent.end(body);
  return answerTo(sent);
}

async function answerTo(sent: ClientRequest, onChunk: (chunk: string) => void = () => undefined): Promise<LineAnswer> {
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: string[] = [];
  answer.setEncoding("utf8");
  for await (const chunk of answer) {
    chunks.push(chunk as string);
    onChunk(chunk as string);
  }
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: chunks.join(""), chunks };
}

export class LineClient {
  readonly url: string;
  readonly lines: string[] = [];
  /** Answers that had frames. */
  answers = 0;
  /** The answer behind which it asks no more. */
  last: LineAnswer | undefined;
  private readonly query: string;
  private readonly signal = new Signal();
  private onLine: (line: string) => void = () => undefined;
  private isStopped = false;
  private rest = "";
  private sent: ClientRequest | undefined;

  /** @param query of each of its polls: "stream&frames=1" */
  constructor(url: string, query = "") {
    this.url = url;
    this.query = query;
    void this.poll();
  }

  /** Resolves when it has its first line. */
  static async open(url: string, query = ""): Promise<LineClient> {
    const client = new LineClient(url, `open&${query}`);
    await client.receives(1);
    return client;
  }

  /** @returns the status. */
  async say(...messages: readonly string[]): Promise<number> {
    return (await ask(this.url, { method: "POST", body: messages.join("\n") })).status;
  }

  receives(count: number): Promise<void> {
    return this.until(() => this.lines.length >= count, `${count} lines arrive`);
  }

  until(isSo: () => boolean, what: string): Promise<void> {
    return this.signal.until(isSo, () => `${what}: ${JSON.stringify(this.lines.slice(-20))} ${JSON.stringify(this.last)}`, patienceMs);
  }

  /** Gives up the present poll, and asks no more. */
  abort(): void {
    this.isStopped = true;
    this.sent?.destroy();
  }

  /** Behind the present answer. */
  stop(): void {
    this.isStopped = true;
  }

  /** It answers heartbeats from now on, as it gets them. */
  answersHeartbeats(): void {
    this.onLine = (line) => void (line === "2" && this.say("3").catch(() => undefined));
  }

  private async poll(): Promise<void> {
    while (!this.isStopped) {
      this.sent = request(`${this.url.replace(/^ws/, "http")}?${this.query}`, { agent: false });
      this.sent.end();
      try {
        const answer = await answerTo(this.sent, (chunk) => this.take(chunk));
        if (answer.status === 200) this.answers++;
        else {
          this.last = answer;
          this.isStopped = true;
        }
      } catch {
        this.isStopped = true;
      }
      this.signal.tell();
    }
  }

  private take(chunk: string): void {
    const lines = (this.rest + chunk).split("\n");
    this.rest = lines.pop() ?? "";
    this.lines.push(...lines);
    for (const line of lines) this.onLine(line);
    this.signal.tell();
  }
}

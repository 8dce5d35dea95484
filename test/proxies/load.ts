// Clients that come through a proxy and use thinstate all the time: some stay, one comes and goes.

import { once } from "node:events";
import { WebSocket } from "ws";
import { patienceMs } from "../../testbed/patience.ts";
import { Signal } from "../../testbed/signal.ts";
import type { RunningProxy } from "./running-proxy.ts";

const stayingClients = 3;
const inFlight = 4;

/** What went wrong, in words; empty: nothing. */
export class ProxyLoad {
  readonly faults: string[] = [];
  /** Echoes of those who stay, and visits of the one who comes and goes. */
  echoes = 0;
  visits = 0;
  readonly proxy: RunningProxy;
  private readonly forgiven: string[];
  private readonly signal = new Signal();
  private readonly staying: WebSocket[] = [];
  private isOver = false;
  private visiting: Promise<void> | undefined;

  /** @param forgiven what may go wrong once. */
  constructor(proxy: RunningProxy, forgiven: readonly string[] = []) {
    this.proxy = proxy;
    this.forgiven = [...forgiven];
  }

  /** Those who stay: each sends numbers, and expects them back in order. Resolves when all are open. */
  async stay(): Promise<void> {
    for (let index = 0; index < stayingClients; index++) {
      const socket = this.open("ws.example.com", "/echo");
      let [sent, received] = [0, 0];
      const send = () => socket.send(String(sent++));
      socket.on("message", (data: Buffer) => {
        if (data.toString() !== String(received++)) this.fail(`${data} came instead of ${received - 1}`);
        this.echoes++;
        this.signal.tell();
        if (!this.isOver) send();
      });
      socket.on("close", (code) => this.fail(`closed with ${code}`));
      await once(socket, "open");
      for (let count = 0; count < inFlight; count++) send();
      this.staying.push(socket);
    }
  }

  /** The one who comes and goes, again and again, with an echo each time. */
  visit(): void {
    this.visiting = (async () => {
      while (!this.isOver) await this.visitOnce(this.visits % 2 === 0);
    })();
  }

  /** Resolves once there were more echoes and visits, or something went wrong. */
  async goesOn(): Promise<void> {
    const { echoes, visits } = this;
    const stay = () => this.staying.length === 0 || this.echoes >= echoes + 50;
    const visit = () => this.visiting === undefined || this.visits >= visits + 4;
    await this.signal.until(() => this.faults.length > 0 || (stay() && visit()), `${this.proxy.kind.name} passes on`, patienceMs);
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.visiting;
    for (const socket of this.staying) {
      socket.removeAllListeners("close");
      socket.terminate();
    }
  }

  private open(host: string, path: string): WebSocket {
    const { headers, tls } = this.proxy.options();
    const socket = new WebSocket(this.proxy.url(host, path), { headers, ...tls });
    socket.on("error", ({ message }) => this.fail(message));
    return socket;
  }

  private async visitOnce(isOfSubdomain: boolean): Promise<void> {
    const socket = isOfSubdomain ? this.open("ws.example.com", "/echo") : this.open("example.com", "/ws/echo");
    socket.on("open", () => socket.send("hello"));
    socket.on("message", () => socket.close());
    await new Promise((resolve) => socket.once("close", resolve));
    const { status } = await this.proxy.ask(isOfSubdomain ? "ws.example.com" : "example.com", isOfSubdomain ? "/who-asks" : "/ws/who-asks");
    if (status !== 200) this.fail(`answered with ${status}`);
    this.visits++;
    this.signal.tell();
  }

  private fail(what: string): void {
    const index = this.forgiven.indexOf(what);
    if (index === -1) this.faults.push(what);
    else this.forgiven.splice(index, 1);
    this.signal.tell();
  }
}

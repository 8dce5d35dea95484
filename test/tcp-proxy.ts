// A wire between one process and nats-server that a test can cut, hold up and mend.

import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

export class TcpProxy {
  /** How often the server has ended a connection of its own accord. */
  cutsByServer = 0;
  private readonly target: URL;
  private readonly server = createServer((client) => this.join(client));
  private readonly pairs = new Set<Pair>();
  private isCut = false;
  private isHeld = false;
  private readonly ends = new Signal();

  private constructor(target: string) {
    this.target = new URL(target);
  }

  /** @param target nats://host:port, as nats-server calls itself. */
  static async start(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Ends what is connected, and refuses what would like to be. */
  cut(): void {
    this.isCut = true;
    for (const { client, upstream } of this.pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
    this.pairs.clear();
  }

  mend(): void {
    this.isCut = false;
  }

  /** Passes nothing on that comes from the server, and tells nobody. */
  hold(): void {
    this.isHeld = true;
    for (const { upstream } of this.pairs) upstream.pause();
  }

  /** Passes nothing more on of what is connected now, either way, and tells nobody: as when the other host has lost its power. */
  mute(): void {
    for (const { client, upstream } of this.pairs) {
      client.pause();
      upstream.pause();
    }
  }

  /** Resolves once the server has ended a connection of its own accord. */
  cutByServer(): Promise<void> {
    return this.ends.until(() => this.cutsByServer > 0, "nats-server cuts the wire", patienceMs);
  }

  release(): void {
    this.isHeld = false;
    for (const { upstream } of this.pairs) upstream.resume();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(client: Socket): void {
    if (this.isCut) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(Number(this.target.port), this.target.hostname);
    const pair = { client, upstream };
    this.pairs.add(pair);
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk) => client.write(chunk));
    if (this.isHeld) upstream.pause();
    const end = (isServer: boolean) => () => {
      if (!this.pairs.delete(pair)) return;
      if (isServer) this.cutsByServer++;
      client.destroy();
      upstream.destroy();
      this.ends.tell();
    };
    client.on("error", () => undefined).on("close", end(false));
    upstream.on("error", () => undefined).on("close", end(true));
  }
}

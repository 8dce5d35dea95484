// One port where debuggers find the worker that serves. Each save starts another process, whose inspector has a port of its own:
// this one leads to the newest that has work.

import { connect, createServer, type Server, type Socket } from "node:net";

/** Inspectors let whoever reaches them run any code: nobody from another machine. */
const host = "127.0.0.1";

/** What Node says of an inspector at the port that we gave to nobody, and people have no use for. */
const listening = /^Debugger listening on ws:\/\/127\.0\.0\.1:(\d+)\//;
const advice = /^(For help, see: https:\/\/nodejs\.org\/|Debugger ending on ws:)/;

export class DebugPort {
  readonly address: string;
  /** For a worker's node. Files that are only linked into the clone lie within it, as they do in a release, which has copies. */
  readonly flags: readonly string[] = [`--inspect=${host}:0`, "--preserve-symlinks"];
  private readonly server: Server;
  /** By release, where the inspector of its worker listens. */
  private readonly inspectors = new Map<string, number>();
  private active: string | undefined;
  private readonly debuggers = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.server = server;
    this.address = `${host}:${port}`;
    server.on("connection", (socket) => this.lead(socket));
  }

  /** @throws the system's error: EADDRINUSE, EACCES. */
  static listen(port: number): Promise<DebugPort> {
    const server = createServer();
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => resolve(new DebugPort(server, port)));
    });
  }

  /** A worker has written this line. @returns whether it is of its inspector, and nobody else needs it. */
  hear(release: string, line: string): boolean {
    const [, port] = listening.exec(line) ?? [];
    if (port === undefined) return advice.test(line);
    this.inspectors.set(release, Number(port));
    return true;
  }

  /** A worker has ended. */
  ended(release: string): void {
    this.inspectors.delete(release);
  }

  /** Debuggers are led to this release. Those that are at the one before are cut off: what they have stopped runs on, and hands over. */
  follow(release: string): void {
    this.active = release;
    this.cutOff();
  }

  close(): void {
    this.server.close();
    this.cutOff();
  }

  private cutOff(): void {
    for (const socket of this.debuggers) socket.destroy();
  }

  private lead(socket: Socket): void {
    const port = this.active === undefined ? undefined : this.inspectors.get(this.active);
    // It tries again: the worker is starting.
    if (port === undefined) return void socket.destroy();
    const inspector = connect(port, host);
    this.debuggers.add(socket);
    socket.on("close", () => {
      this.debuggers.delete(socket);
      inspector.destroy();
    });
    inspector.on("close", () => socket.destroy());
    for (const end of [socket, inspector]) end.on("error", () => undefined);
    socket.pipe(inspector).pipe(socket);
  }
}

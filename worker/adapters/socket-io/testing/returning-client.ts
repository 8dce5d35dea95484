// A client of Socket.IO whose connection breaks, and that comes back, for tests without sockets; and a handler to which it does.

import type { TestApp, TestConnection } from "../../../testing.ts";
import type { RecoveryOptions } from "../recovery/recovery.ts";
import { type Server, type Socket, socketIo } from "../socket-io.ts";

export const url = "/socket.io/?EIO=4&transport=websocket";

export function handler(recovery: RecoveryOptions | undefined, setUp: (io: Server) => void = chat) {
  return socketIo(
    {
      path: "/socket.io/*",
      ...(recovery && { connectionStateRecovery: recovery }),
      onUpgrade: ({ query }) => ({ user: query.get("user") ?? "anybody" }),
    },
    setUp,
  );
}

export function chat(io: Server) {
  io.use((socket, next) => {
    socket.data.checks = Number(socket.data.checks ?? 0) + 1;
    next();
  });
  io.on("connection", (socket: Socket) => {
    socket.on("join", (room) => socket.join(room));
    socket.on("leave", (room) => socket.leave(room));
    socket.on("set", (value) => {
      socket.data.value = value;
    });
    socket.on("all", (text) => io.emit("said", text));
    socket.on("room", (room, text) => io.to(room).emit("said", text));
    socket.on("rooms", (rooms, text) => io.to(rooms).emit("said", text));
    socket.on("except", (id, text) => io.except(id).emit("said", text));
    socket.on("others", (text) => socket.broadcast.emit("said", text));
    socket.on("volatile", (text) => io.volatile.emit("said", text));
    socket.on("binary", () => io.emit("bytes", new Uint8Array(3), "text"));
    socket.on("me", (text, done) => {
      socket.emit("said", text);
      done?.();
    });
    socket.on("kick", () => {
      socket.emit("bye");
      socket.disconnect();
    });
    socket.on("who", (done) => done(socket.id, [...socket.rooms].sort(), socket.data, socket.recovered, socket.isNew));
  });
}

export class Client {
  readonly connection: TestConnection;
  private at = 1;

  constructor(connection: TestConnection) {
    this.connection = connection;
  }

  static async open(app: TestApp, told?: object, query = ""): Promise<Client> {
    const connection = await app.connect(url + query);
    await connection.send(told === undefined ? "40" : `40${JSON.stringify(told)}`);
    return new Client(connection);
  }

  emit(...event: unknown[]): Promise<unknown> {
    return this.connection.send(`42${JSON.stringify(event)}`);
  }

  get connected(): { readonly sid: string; readonly pid?: string } {
    return JSON.parse(
      this.connection.frames
        .map(String)
        .find((frame) => frame.startsWith("40{"))
        ?.slice(2) ?? "{}",
    );
  }

  async who(): Promise<unknown[]> {
    await this.connection.send('429["who"]');
    return JSON.parse(String(this.connection.frames.at(-1)).slice(3));
  }

  /** What it got since it asked last: arguments without their offsets, and other packets as they are. */
  heard(): unknown[] {
    const frames = this.connection.frames.slice(this.at).map(String);
    this.at = this.connection.frames.length;
    return frames.map((frame) => (frame.startsWith("42[") ? JSON.parse(frame.slice(2))[1] : frame.slice(0, 2)));
  }

  /** As the client tells when it comes back. */
  get told(): { readonly pid: string | undefined; readonly offset?: string } {
    const events = this.connection.frames.map(String).filter((frame) => frame.startsWith("42["));
    const offset = events.map((frame) => JSON.parse(frame.slice(2)).at(-1)).findLast((each) => typeof each === "string");
    return { pid: this.connected.pid, ...(offset && { offset }) };
  }

  cut(): Promise<unknown> {
    return this.connection.close(1006);
  }
}

/** As the client would: its connection is there. */
export async function pass(app: TestApp, clients: readonly Client[], seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 15) {
    app.advance(15_000);
    for (const { connection } of clients) await connection.send("3");
  }
}

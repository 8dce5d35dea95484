// The supervisor's unix socket, over which commands ask it things: one JSON value a line, a request, then steps, then one
// outcome. Mode 0600: who may connect may replace what runs.

import { chmodSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { userInfo } from "node:os";
import { createInterface } from "node:readline";
import * as v from "valibot";
import { findControlSocket, placeControlSocket, removeControlSocket } from "./control-socket.ts";
import type { RollbackFacts } from "./rolled-back.ts";
import type { OnStep, StepEvent } from "./steps.ts";

const who = v.object({ pid: v.number(), user: v.string() });

const request = v.variant("request", [
  v.object({ request: v.literal("status") }),
  v.object({
    request: v.literal("deploy"),
    force: v.boolean(),
    /** How many workers to start where none run: the WORKERS of the command's environment. */
    workers: v.number(),
    who,
  }),
  v.object({
    request: v.literal("rollback"),
    /** The release to go back to; null: the one that served before. */
    to: v.nullable(v.string()),
    force: v.boolean(),
    who,
  }),
]);

export type ControlRequest = v.InferOutput<typeof request>;
export type Who = v.InferOutput<typeof who>;

export interface Problem {
  readonly file: string;
  readonly line?: number | undefined;
  readonly text: string;
}

/** The last line of an answer. */
export type Outcome<T = unknown> =
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly error: string; readonly problems: readonly Problem[]; readonly rolledBack?: RollbackFacts };

interface StepLine {
  readonly step: string;
  readonly event?: StepEvent;
  /** All that version 0.2 says and understands: during an update, command and supervisor are of different versions. */
  readonly isUpdate?: boolean;
}

/** @param signal Aborted when the command has gone away. */
export type Answer = (request: ControlRequest, onStep: OnStep, signal: AbortSignal) => Promise<Outcome>;

/** What was asked for is not wanted any more: the command has ended, or the supervisor ends. */
export class Cancelled extends Error {}

/** The supervisor of this cache folder does not run. */
export class NotRunning extends Error {}

/** Who this process is, for others that find it deploying. */
export function ownName(): Who {
  return { pid: process.pid, user: userInfo().username };
}

export class ControlServer {
  private readonly server: Server;
  private readonly cacheFolder: string;
  private readonly sockets = new Set<Socket>();

  private constructor(server: Server, cacheFolder: string) {
    this.server = server;
    this.cacheFolder = cacheFolder;
  }

  /** Replaces a socket that a killed supervisor has left: call it only after nobody has answered there. */
  static async listen(cacheFolder: string, answer: Answer): Promise<ControlServer> {
    const path = placeControlSocket(cacheFolder);
    const server = createServer();
    const control = new ControlServer(server, cacheFolder);
    server.on("connection", (socket) => control.serve(socket, answer));
    // Nobody may connect in between: bind() makes the file with what the mask leaves.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
    } finally {
      process.umask(mask);
    }
    chmodSync(path, 0o600);
    return control;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    removeControlSocket(this.cacheFolder);
  }

  private serve(socket: Socket, answer: Answer): void {
    const gone = new AbortController();
    this.sockets.add(socket);
    socket.once("close", () => {
      this.sockets.delete(socket);
      gone.abort(new Cancelled("the command was ended"));
    });
    const say = (line: unknown) => {
      if (socket.writable) socket.write(`${JSON.stringify(line)}\n`);
    };
    const lines = createInterface({ input: socket });
    lines.on("error", () => undefined);
    lines.once("line", (line) => {
      const parsed = parseRequest(line);
      const outcome =
        parsed === undefined
          ? Promise.resolve<Outcome>({
              ok: false,
              error: "not a request that this supervisor knows: is it of another version?",
              problems: [],
            })
          : answer(parsed, (step, event) => say(stepLine(step, event)), gone.signal);
      void outcome.then((last) => {
        say(last);
        socket.end();
      });
    });
  }
}

/**
 * Asks the supervisor something.
 * @param signal Breaks off: the supervisor gives up what it has not activated yet.
 * @throws {NotRunning}, also after the signal.
 */
export function askSupervisor<T>(cacheFolder: string, ask: ControlRequest, onStep: OnStep, signal?: AbortSignal): Promise<Outcome<T>> {
  return new Promise((resolve, reject) => {
    const path = findControlSocket(cacheFolder);
    if (path === undefined) return reject(notRunning());
    const socket = connect(path, () => socket.write(`${JSON.stringify(ask)}\n`));
    const breakOff = () => {
      socket.destroy();
      reject(new NotRunning("the command was interrupted"));
    };
    signal?.addEventListener("abort", breakOff, { once: true });
    createInterface({ input: socket })
      // readline hands on its input's errors.
      .once("error", () => reject(notRunning()))
      .on("line", (line) => {
        const reply = JSON.parse(line) as Outcome<T> | StepLine;
        if ("step" in reply) onStep(reply.step, reply.event ?? (reply.isUpdate === true ? "update" : "begun"));
        else resolve(reply);
      })
      // After an outcome this rejects nothing.
      .once("close", () => reject(new NotRunning("thinstate ended before it answered")));
  });
}

function notRunning(): NotRunning {
  return new NotRunning("thinstate does not run here; start it with npm start");
}

function stepLine(step: string, event: StepEvent = "begun"): StepLine {
  return { step, event, isUpdate: event === "update" };
}

function parseRequest(line: string): ControlRequest | undefined {
  try {
    return v.parse(request, JSON.parse(line));
  } catch {
    return undefined;
  }
}

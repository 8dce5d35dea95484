// Keeps some files for what is no client: NATS when it comes back, the admin port, libraries. Each connection is a file, and a
// process that may open no more cannot even refuse: it is told again and again, for ever, that somebody wants in.
//
// Below the limit newcomers are refused with an answer. Where that does not help, since they do not ask for anything, or are too
// many at once, nobody listens for them until there is room again.

import type { Logger } from "pino";
import type { OpenFiles } from "./open-files.ts";

/** New clients are refused with 503 when fewer files than this are left. */
const refuseBelow = 64;
/** Files kept open in reserve, and closed when none are left. */
const heldFiles = 32;
/** The gateway stops listening when fewer files than this are left, the reserve not counted. */
const deafBelow = 16;
/** It listens again when there is room for this many new clients. */
const roomForFiles = 32;
/** Least time without listening: stopping and starting many times a second would help nobody. */
const leastDeafMs = 1_000;
/** The warning is repeated after this time at the earliest. */
const quietMs = 60_000;

export interface FileGuardOptions {
  readonly files: OpenFiles;
  readonly now: () => number;
  /** Those that are known: sockets that have not asked for anything are not. */
  readonly connections: () => number;
  readonly stopListening: () => void;
  /** Rejects where that is not possible: it is tried again. */
  readonly listenAgain: () => Promise<void>;
  readonly log: Pick<Logger, "warn" | "info">;
}

export class FileGuard {
  private readonly options: FileGuardOptions;
  private held: number[] = [];
  /** When last looked at. */
  private open: number | undefined;
  private connectionsThen = 0;
  private deafSince: number | undefined;
  private warnedAt = Number.NEGATIVE_INFINITY;
  private hasWarned = false;
  private isBusy = false;

  constructor(options: FileGuardOptions) {
    this.options = options;
    this.held = this.take(heldFiles);
  }

  /** Whether the next newcomer is to be refused. */
  get isFull(): boolean {
    if (this.deafSince !== undefined) return true;
    if (this.open === undefined) return false;
    return this.open + this.options.connections() - this.connectionsThen > this.options.files.limit - this.share(refuseBelow);
  }

  get isListening(): boolean {
    return this.deafSince === undefined;
  }

  /** To be called several times a second. */
  async step(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      if (this.deafSince === undefined) await this.watch();
      else if (this.options.now() - this.deafSince >= leastDeafMs) await this.tryToListen();
      this.tell();
    } finally {
      this.isBusy = false;
    }
  }

  // Of a small limit not all can be kept.
  private share(files: number): number {
    return Math.min(files, Math.floor((this.options.files.limit * files) / 512));
  }

  private async watch(): Promise<void> {
    const { files, connections, now, stopListening } = this.options;
    const connectionsThen = connections();
    const open = await files.count();
    this.open = open;
    this.connectionsThen = connectionsThen;
    if (open !== undefined && open <= files.limit - this.share(deafBelow) && this.canOpen()) return;
    this.deafSince = now();
    stopListening();
    this.letGo();
  }

  private async tryToListen(): Promise<void> {
    const wanted = heldFiles + this.share(roomForFiles);
    const taken = this.take(wanted);
    this.held = taken.splice(0, heldFiles);
    for (const file of taken) this.options.files.close(file);
    if (this.held.length + taken.length < wanted) return this.letGo();
    this.deafSince = undefined;
    await this.watch();
    if (this.deafSince === undefined) await this.options.listenAgain().catch(() => this.stayDeaf());
  }

  // Somebody else has the port: see `listenAgain`.
  private stayDeaf(): void {
    this.deafSince = this.options.now();
    this.letGo();
  }

  private tell(): void {
    const { files, connections, now, log } = this.options;
    const { isFull } = this;
    if (isFull && !this.hasWarned && now() - this.warnedAt >= quietMs) {
      this.warnedAt = now();
      this.hasWarned = true;
      const text =
        "no files for more connections: newcomers are refused (gateway.full); raise the limit (systemd: LimitNOFILE=, a shell: ulimit -n)";
      log.warn({ openFiles: this.open, limit: files.limit, connections: connections(), code: "gateway.full" }, text);
    }
    if (!isFull && this.hasWarned) {
      this.hasWarned = false;
      log.info("there are files for more connections again");
    }
  }

  private canOpen(): boolean {
    const file = this.options.files.open();
    if (file === undefined) return false;
    this.options.files.close(file);
    return true;
  }

  private take(count: number): number[] {
    const taken: number[] = [];
    for (let index = 0; index < count; index++) {
      const file = this.options.files.open();
      if (file === undefined) break;
      taken.push(file);
    }
    return taken;
  }

  private letGo(): void {
    for (const file of this.held.splice(0)) this.options.files.close(file);
  }
}

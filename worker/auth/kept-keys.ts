// The keys of an issuer of tokens, as they were read last. They are read again when they are old, and for a token that names a key which is
// not among them. While they cannot be read, those that are known stay good for a bounded time, and no client waits for them.

import { errors, type JWTVerifyGetKey } from "jose";
import { warn } from "../warnings.ts";
import { unavailable } from "./identity.ts";

export interface KeySource {
  /** For people: a URL or a file. */
  readonly name: string;
  /** @returns the keys as they are now. Rejects where they cannot be had. */
  readonly read: () => Promise<JWTVerifyGetKey>;
  /** Keys that are this old are read again. */
  readonly rereadMs: number;
  /** The shortest time between two attempts, whatever tokens come, and however long the issuer is away. */
  readonly pauseMs: number;
  /** How long keys stay good that cannot be read again. */
  readonly keepMs: number;
}

/** The pause while no keys are known: nobody is let in then. */
const firstPauseMs = 1_000;

export class KeptKeys {
  private readonly source: KeySource;
  private readonly now: () => number;
  private last: { readonly at: number; readonly getKey: JWTVerifyGetKey } | undefined;
  /** The latest attempt, where it has failed. */
  private failure: { readonly at: number; readonly error: unknown } | undefined;
  private reading: Promise<void> | undefined;

  /** @param now Milliseconds. */
  constructor(source: KeySource, now: () => number) {
    this.source = source;
    this.now = now;
  }

  /** @throws {CodedError} "auth.unavailable" where no keys are known, or the token's may be one that cannot be read now. */
  readonly get: JWTVerifyGetKey = async (header, token) => {
    await this.refresh(this.source.rereadMs);
    try {
      return await this.current(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // It may have been added just now.
      await this.refresh(this.source.pauseMs);
      if (this.failure !== undefined) throw this.unavailable();
      return this.current(header, token);
    }
  };

  private get current(): JWTVerifyGetKey {
    if (this.known === undefined) throw this.unavailable();
    return this.known;
  }

  /** Reads keys that are as old as this, unless that was tried just now. */
  private async refresh(ms: number): Promise<void> {
    const { last, known, failure, source } = this;
    if (last !== undefined && this.now() - last.at < ms) return;
    const pauseMs = known === undefined ? firstPauseMs : source.pauseMs;
    if (failure !== undefined && this.now() - failure.at < pauseMs) return;
    this.reading ??= this.read();
    // After an attempt that failed, the next one may fail as slowly.
    if (failure === undefined || known === undefined) await this.reading;
  }

  /** The keys that are still good. */
  private get known(): JWTVerifyGetKey | undefined {
    return this.last !== undefined && this.now() - this.last.at < this.source.keepMs ? this.last.getKey : undefined;
  }

  private async read(): Promise<void> {
    const at = this.now();
    try {
      this.last = { at, getKey: await this.source.read() };
      this.failure = undefined;
    } catch (error) {
      // The first one alone, while it goes on. Without any keys, it is logged for whom is refused.
      if (this.failure === undefined && this.known !== undefined) this.warn(error);
      this.failure = { at: this.now(), error };
    } finally {
      this.reading = undefined;
    }
  }

  private warn(error: unknown): void {
    const { name, keepMs } = this.source;
    const text = `the keys for tokens (${name}) cannot be read: those read before are good for ${keepMs / 3_600_000} h after that`;
    warn({ code: "auth.unavailable" }, { err: error }, text);
  }

  private unavailable(): Error {
    return unavailable(`the keys for tokens (${this.source.name}) cannot be read`, this.failure?.error);
  }
}

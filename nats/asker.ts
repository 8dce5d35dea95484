// Questions to NATS' JetStream: each has a reply subject of its own below one subscription. Unlike the client's requests, those that are
// under way fail when the connection breaks, so that they can be asked again at once when it is back.

import type { Msg, MsgHdrs, NatsConnection } from "nats";
import { nuid } from "nats";

const timeoutMs = 5_000;

/** What was asked was answered with this. Source: NATS' JetStream wire API, "error". */
export class JetStreamRefusal extends Error {
  readonly code: number;

  constructor(code: number, description: string) {
    super(`NATS' JetStream refuses: ${description}`);
    this.code = code;
  }
}

/** JetStream is off, or nothing has this subject. Source: NATS' "no responders". */
export class NobodyAnswers extends Error {}

/** A question that is under way. */
class Pending {
  hear: (message: Msg) => void = () => undefined;
  private readonly forget: () => void;
  private readonly reject: (error: Error) => void;
  private readonly timer: NodeJS.Timeout;
  private isOver = false;

  constructor(forget: () => void, reject: (error: Error) => void) {
    this.forget = forget;
    this.reject = reject;
    this.timer = setTimeout(() => this.fail(new Error(`NATS has not answered within ${timeoutMs} ms`)), timeoutMs);
  }

  take(message: Msg): void {
    if (message.headers?.code === 503) return this.fail(new NobodyAnswers("NATS' JetStream does not answer: is it on?"));
    this.timer.refresh();
    this.hear(message);
  }

  fail(error: Error): void {
    this.end(() => this.reject(error));
  }

  end(how: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    this.forget();
    how();
  }
}

export class Asker {
  private readonly connection: NatsConnection;
  private readonly prefix: string;
  private readonly pending = new Map<string, Pending>();
  private isSubscribed = false;
  private last = 0;

  /** @param replies a subject, for two more tokens. */
  constructor(connection: NatsConnection, replies: string) {
    this.connection = connection;
    this.prefix = `${replies}.${nuid.next()}`;
  }

  /** @returns the answer. @throws {NobodyAnswers}, {Error} where it does not come in time, or the connection breaks. */
  ask(subject: string, payload: Uint8Array | string, headers?: MsgHdrs): Promise<Msg> {
    this.subscribe();
    const number = String(++this.last);
    return new Promise((resolve, reject) => {
      const pending = new Pending(() => this.pending.delete(number), reject);
      pending.hear = (message) => pending.end(() => resolve(message));
      this.pending.set(number, pending);
      this.publish(subject, payload, `${this.prefix}.${number}`, pending, headers);
    });
  }

  /** @returns what it answers. @throws {JetStreamRefusal}, and as `ask`. */
  async api<Answer>(call: string, body: object | undefined): Promise<Answer> {
    return answerOf(await this.ask(`$JS.API.${call}`, body === undefined ? "" : JSON.stringify(body)));
  }

  /**
   * Hears all that is answered until `end` is called. What comes may be under any subject, so it has a subscription of its own.
   * @param hear must not throw. @throws as `ask`, where nothing comes for long enough.
   */
  listen(subject: string, payload: Uint8Array | string, hear: (message: Msg, end: () => void) => void): Promise<void> {
    const reply = `${this.prefix}-.${++this.last}`;
    return new Promise((resolve, reject) => {
      const pending = new Pending(() => {
        this.pending.delete(reply);
        if (!this.connection.isClosed()) subscription.unsubscribe();
      }, reject);
      pending.hear = (message) => hear(message, () => pending.end(resolve));
      this.pending.set(reply, pending);
      const subscription = this.connection.subscribe(reply, {
        callback: (error, message) => {
          if (error === null) pending.take(message);
        },
      });
      this.publish(subject, payload, reply, pending);
    });
  }

  /** The connection has broken: what was asked may have been done. */
  broken(): void {
    for (const pending of [...this.pending.values()]) pending.fail(new Error("the connection to NATS has broken"));
  }

  private publish(subject: string, payload: Uint8Array | string, reply: string, pending: Pending, headers?: MsgHdrs): void {
    try {
      this.connection.publish(subject, payload, { reply, ...(headers && { headers }) });
    } catch (error) {
      pending.fail(error as Error);
    }
  }

  // When it is needed first: who keeps no history has no subscription for it.
  private subscribe(): void {
    if (this.isSubscribed) return;
    this.isSubscribed = true;
    this.connection.subscribe(`${this.prefix}.*`, {
      callback: (error, message) => {
        if (error === null) this.pending.get(message.subject.slice(this.prefix.length + 1))?.take(message);
      },
    });
  }
}

/** @throws {JetStreamRefusal} */
export function answerOf<Answer>(message: Msg): Answer {
  const answer = message.json<Answer & { error?: { err_code?: number; description?: string } }>();
  if (answer.error === undefined) return answer;
  throw new JetStreamRefusal(answer.error.err_code ?? 0, answer.error.description ?? "");
}

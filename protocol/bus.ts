// What carries bytes between processes: in order for each pair, and it may lose them. Whatever must not be lost travels on a link.

export interface BusMessage {
  readonly subject: string;
  /** A view of what was read from the socket: copy it to keep it for long. */
  readonly payload: Uint8Array;
  /** The server's own word that nobody heard a publish: its "no responders" status, sent to `unheardTo`. */
  readonly isUnheard: boolean;
  /** A NATS header by its name; undefined where it is missing. */
  header(name: string): string | undefined;
}

export interface BusSubscription {
  unsubscribe(): void;
}

export interface Bus {
  /**
   * Sends at most once. What is published while disconnected is gone: see `connected`.
   * @param unheardTo where the server says so, at once, when nobody subscribes to the subject.
   */
  publish(subject: string, payload: Uint8Array, unheardTo?: string): void;
  /** Sends all that is published meanwhile in as few pieces as can be. */
  together(publish: () => void): void;
  /** The listener may throw: that is reported as a fault and hurts nobody else. */
  subscribe(subject: string, listener: (message: BusMessage) => void): BusSubscription;
  /**
   * Runs the action when all that came with the present read has been handled.
   * @returns false where nothing is being read: then it is never run.
   */
  atEndOfRead(action: () => void): boolean;
  /** Resolves when the server has handled everything sent before, subscriptions included. Rejects when the connection breaks first. */
  flush(): Promise<void>;
  readonly connected: boolean;
  /** Resolves at once while connected, and never after `close`. */
  whenConnected(): Promise<void>;
  /** Bytes that the server takes in one message. */
  readonly maxPayloadBytes: number;
  /** Sends what is pending, then ends. */
  close(): Promise<void>;
}

// Something that a handler has to be called for. Kept until its turn has committed.

/** Nothing is allocated for a payload that has been delivered: it is found again in its batch, in case the worker dies. */
export class ConnectionEvent {
  /** One of toWorker.open, message, close, adopt. */
  readonly type: number;
  readonly isBinary: boolean;
  /** Of the payload. */
  readonly length: number;
  /** How often its turn has flushed, in all its deliveries. */
  flushed = 0;
  redelivered = false;
  /** The payload; or while `at` is not negative, what it lies in. */
  private bytes: Uint8Array;
  private at = -1;

  /** @param payload a message's bytes, or a close's code and reason. */
  constructor(type: number, payload: Uint8Array, isBinary = false) {
    this.type = type;
    this.bytes = payload;
    this.isBinary = isBinary;
    this.length = payload.length;
  }

  get payload(): Uint8Array {
    if (this.at < 0) return this.bytes;
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + this.at, this.length);
  }

  /** From now on the payload is what lies there. */
  reference(memory: Uint8Array, at: number): void {
    this.bytes = memory;
    this.at = at;
  }

  /** Copies the payload out of what it lies in. */
  detach(): void {
    if (this.at < 0) return;
    // Not slice: a Buffer's is a view, too.
    this.bytes = new Uint8Array(this.payload);
    this.at = -1;
  }
}

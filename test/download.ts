// A plain HTTP client that reads an answer as it comes, and may stop reading.

import { get, type IncomingMessage } from "node:http";

export class Download {
  readonly response: IncomingMessage;
  /** Resolves when nothing more comes: true where the answer was whole, false where it was cut off. */
  readonly ends: Promise<boolean>;
  private readonly chunks: Buffer[] = [];
  private length = 0;
  private listeners: Array<() => void> = [];

  private constructor(response: IncomingMessage) {
    this.response = response;
    response.on("data", (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.length += chunk.length;
      for (const tell of this.listeners.splice(0)) tell();
    });
    this.ends = new Promise((resolve) => {
      response.on("error", () => undefined);
      response.on("close", () => resolve(response.complete));
    });
  }

  /** Resolves when the head has come. */
  static start(url: string): Promise<Download> {
    return new Promise((resolve, reject) => {
      get(url.replace(/^ws/, "http"), { agent: false }, (response) => resolve(new Download(response))).on("error", reject);
    });
  }

  get bytes(): number {
    return this.length;
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString();
  }

  async receives(bytes: number): Promise<void> {
    while (this.length < bytes) await new Promise<void>((resolve) => this.listeners.push(resolve));
  }

  stopReading(): void {
    this.response.pause();
  }

  goOn(): void {
    this.response.resume();
  }

  breakOff(): void {
    this.response.destroy();
  }
}

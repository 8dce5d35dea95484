// Clients that send numbered messages at a steady pace and check the answers: which version of the handler answered, and whether
// any answer is missing, repeated or out of order. An answer is the handler's version, a space, and the message.

import WebSocket from "ws";

export interface CrowdOptions {
  readonly url: string;
  readonly clients: number;
  readonly now: () => number;
}

export interface Tally {
  readonly answered: number;
  readonly wrong: number;
  readonly disconnected: number;
}

class Client {
  /** When the first answer of each version came. */
  readonly firstAnswers = new Map<string, number>();
  sent = 0;
  answered = 0;
  /** Answers that are not the next one: something was lost, repeated or reordered. */
  wrong = 0;
  isConnected = true;
  private readonly socket: WebSocket;

  constructor(socket: WebSocket, now: () => number) {
    this.socket = socket;
    socket.on("message", (data) => {
      const [version = "", number] = String(data).split(" ");
      if (number !== String(this.answered)) this.wrong++;
      this.answered++;
      if (!this.firstAnswers.has(version)) this.firstAnswers.set(version, now());
    });
    socket.on("close", () => {
      this.isConnected = false;
    });
    socket.on("error", () => undefined);
  }

  send(): void {
    if (this.isConnected) this.socket.send(String(this.sent++));
  }

  close(): void {
    this.socket.close();
  }
}

export class Crowd {
  readonly clients: readonly Client[];
  private readonly timers: NodeJS.Timeout[] = [];

  private constructor(clients: readonly Client[]) {
    this.clients = clients;
  }

  /** Resolves when all are connected; rejects where one is not. */
  static async connect({ url, clients, now }: CrowdOptions): Promise<Crowd> {
    const opened = Array.from({ length: clients }, () => {
      const socket = new WebSocket(url);
      return new Promise<Client>((resolve, reject) => {
        socket.once("open", () => resolve(new Client(socket, now)));
        socket.once("error", reject);
      });
    });
    return new Crowd(await Promise.all(opened));
  }

  /** @param pauseMs between two messages of one client. Clients take turns within it. */
  begin(pauseMs: number): void {
    for (const [index, client] of this.clients.entries()) {
      const begin = () => this.timers.push(setInterval(() => client.send(), pauseMs));
      this.timers.push(setTimeout(begin, (index * pauseMs) / this.clients.length));
    }
  }

  /** No more messages: answers may still come. */
  end(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  get isAnswered(): boolean {
    return this.clients.every(({ sent, answered }) => answered >= sent);
  }

  get tally(): Tally {
    const sum = (count: (client: Client) => number) => this.clients.reduce((total, client) => total + count(client), 0);
    return {
      answered: sum(({ answered }) => answered),
      wrong: sum(({ wrong }) => wrong),
      disconnected: sum(({ isConnected }) => (isConnected ? 0 : 1)),
    };
  }

  close(): void {
    for (const client of this.clients) client.close();
  }
}

// A client that waits to be let in as a WebSocket. Many may wait together, so each keeps little.

import type * as uWS from "./library.ts";
import { type AnswerRoom, Client, type WaitingUpgrade } from "./waiting-client.ts";

/** Upgrades, and opens what has come of it, if anything has. Told once for each client, so that none has a function of its own for it. */
export type Enter<Data> = (upgrade: () => void, admit: () => Data) => void;

/** What its request has said, which cannot be asked later. */
interface Handshake<Data> {
  readonly key: string;
  readonly extensions: string;
  readonly context: uWS.us_socket_context_t;
  readonly enter: Enter<Data>;
}

export class UpgradingClient<Data extends object> extends Client implements WaitingUpgrade<Data> {
  private readonly handshake: Handshake<Data>;

  constructor(response: uWS.HttpResponse, room: AnswerRoom, handshake: Handshake<Data>) {
    super(response, false, room);
    this.handshake = handshake;
  }

  accept(admit: () => Data, subprotocol: string, headers: ReadonlyArray<readonly [string, string]>): void {
    const { key, extensions, context, enter } = this.handshake;
    const upgrade = () =>
      this.finish((response) => {
        response.writeStatus("101 Switching Protocols");
        for (const [name, value] of headers) response.writeHeader(name, value);
        response.upgrade(nothing, key, subprotocol, extensions, context);
      });
    enter(upgrade, admit);
  }
}

/** Properties of what uWebSockets.js is given are copied; it needs none. */
const nothing = {};

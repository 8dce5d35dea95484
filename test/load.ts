// Clients that send all the time, and what must hold of the answers whatever dies meanwhile.

import { expect } from "vitest";
import type { TestClient } from "./client.ts";
import type { Step } from "./handlers/basic/script.ts";

/** What a /script turn tells of itself. */
export interface Told {
  readonly id: string;
  readonly count: number;
  readonly turn: string;
  readonly redelivered: boolean;
  readonly flushed: number;
}

export interface Load {
  /** Resolves when each client has so many more answers. */
  progress(turns: number): Promise<void>;
  /** Resolves when all is answered. */
  stop(): Promise<Told[][]>;
}

export const turn: readonly Step[] = [{ do: "pause", ms: 1 }, { do: "count" }, { do: "tell" }];

/** /script clients that keep a few messages ahead of their answers. */
export function load(clients: readonly TestClient[]): Load {
  let isSending = true;
  const sending = clients.map(async (client) => {
    let sent = 0;
    while (isSending) {
      client.send(turn);
      sent++;
      await client.until(() => client.received.length >= sent - 8, "all but a few are answered");
    }
    await client.receives(sent);
    return client.values as Told[];
  });
  return {
    progress: async (turns) => {
      const goals = clients.map((client) => client.received.length + turns);
      await Promise.all(clients.map((client, index) => client.receives(goals[index] ?? 0)));
    },
    stop: () => {
      isSending = false;
      return Promise.all(sending);
    },
  };
}

/** Every turn took effect once, in order, and nobody was disconnected. */
export function expectWhole(clients: readonly TestClient[], told: readonly Told[][]): void {
  for (const [index, turns] of told.entries()) {
    expect(turns.map(({ count }) => count)).toEqual(turns.map((_, position) => position + 1));
    expect(turns.map(({ turn: id }) => Number(id.split(":")[1]))).toEqual(turns.map((_, position) => position + 1));
    expect(clients[index]?.closed).toBeUndefined();
  }
}

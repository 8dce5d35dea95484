import pino from "pino";
import { expect, test } from "vitest";
import { toWorker } from "../../protocol/records.ts";
import { ClientEvents, type ClientEventsOptions } from "../client-events.ts";
import { Connection, type Socket } from "../connection.ts";
import { ConnectionEvent } from "../event.ts";
import { SlotTable } from "../slot-table.ts";
import { SessionMoves } from "./session-moves.ts";
import type { SessionSocket } from "./session-socket.ts";

const unlimited = Number.POSITIVE_INFINITY;
const rates = {
  connection: { messages: 100, bytes: unlimited, pings: 1 },
  ...{ addressFactor: 1, userFactor: 1, connections: 9, upgrades: 9, failures: 9, requests: 9 },
};

/** A client's WebSocket, and its session, whose place it is to take. */
function stage() {
  const never = () => undefined;
  const received = (connection: Connection, message: Uint8Array, isBinary: boolean) => {
    connection.events.push(new ConnectionEvent(toWorker.message, Buffer.from(message), isBinary));
  };
  const clients = new ClientEvents({
    ...{ id: "own", slots: new SlotTable(), now: () => 1_000, log: pino({ level: "silent" }) },
    ...{ users: { add: never, forget: never }, members: { forget: never } },
    dispatcher: { received, closed: never } as unknown as ClientEventsOptions["dispatcher"],
    settings: { config: { MESSAGE_BYTES: 100 }, clients: rates } as unknown as ClientEventsOptions["settings"],
  });
  const address = clients.limits.addresses.get("192.0.2.1");
  const connect = (slot: number) => {
    const connection = new Connection({
      ...{ slot, epoch: 0, id: String(slot), path: "/", query: "", ip: "192.0.2.1" },
      user: "ann",
      subprotocol: "",
      state: undefined,
    });
    clients.limits.addresses.enter(address);
    connection.meter = clients.limits.open(address, "ann");
    return connection;
  };
  const socket = { handTo: never } as unknown as Socket;
  const [webSocket, session] = [connect(1), connect(2)];
  webSocket.socket = socket;
  const moves = new SessionMoves({ clients, closing: never });
  const paused: string[] = [];
  const pause = (_by: object, frame: string) => void paused.push(frame);
  moves.add(webSocket, { connection: session, socket: { isOpen: true, moveTo: never, resume: never, pause } as unknown as SessionSocket });
  return { clients, address, webSocket, session, moves, paused };
}

test("what has come behind the message of the move is the session's, and counts once for its address and its user", () => {
  const { clients, address, webSocket, session, moves } = stage();
  for (let number = 0; number < 65; number++) clients.receive(webSocket, Buffer.from(String(number)), false);
  moves.move(webSocket);
  session.meter?.settle();
  expect(session.events.map(({ payload }) => Number(Buffer.from(payload).toString()))).toEqual(
    Array.from({ length: 64 }, (_, index) => index + 1),
  );
  // 65 messages, at 100 a second, from 1,000 ms on.
  expect([address.messages, session.meter?.user?.messages]).toEqual([1_650, 1_650]);
});

test("a session is not paused by a WebSocket that has closed before its turn asked for it: nothing would resume it", () => {
  const { webSocket, moves, paused } = stage();
  webSocket.socket = undefined;
  moves.closed(webSocket);
  moves.pause(webSocket, "6");
  expect(paused).toEqual([]);
});

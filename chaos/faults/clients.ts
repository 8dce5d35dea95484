// Clients that break off at any moment.

import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { patienceMs } from "../../testbed/patience.ts";
import type { Load } from "../load.ts";
import type { Scene } from "../scene.ts";
import type { Fault } from "./fault.ts";

const count = 20;

/** Asks for an upgrade and is gone before, or just when, it is answered. */
async function leaveInUpgrade(url: string, afterMs: number): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const headers = ["Host: chaos", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
  const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
  socket.write(["GET /sequence/leaving HTTP/1.1", ...headers, key, "", ""].join("\r\n"));
  await pause(afterMs);
  socket.destroy();
}

/** With messages in hand, with or without a close frame. */
async function leaveInTheMiddle({ load, condemn, journal }: Scene, index: number): Promise<void> {
  const client = await load.join("leaving");
  condemn(client);
  for (let message = 0; message < 20; message++) client.send();
  if (index % 2 === 0) await pause(index / 4);
  if (index % 3 === 0) client.close();
  if (index % 3 < 2) client.breakOff();
  else client.close();
  await closed(load, client);
  await journal.closes([client.id]);
}

function closed(load: Load, client: { closed: unknown }): Promise<void> {
  return load.signal.until(() => client.closed !== undefined, "a client that broke off is closed", patienceMs);
}

export const clientFaults: readonly Fault[] = [
  {
    name: "clients",
    title: `${2 * count} clients break off: in the upgrade, with messages in hand, in a close`,
    closes: "themselves",
    goalMs: 400,
    strike: async (scene) => {
      const { installation, random } = scene;
      const indices = Array.from({ length: count }, (_, index) => index);
      await Promise.all([
        ...indices.map(() => leaveInUpgrade(installation.url, random() * 8)),
        ...indices.map((index) => leaveInTheMiddle(scene, index)),
      ]);
    },
  },
];

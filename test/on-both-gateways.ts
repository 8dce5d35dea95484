// Connections at each of two gateways that share a port: the kernel deals them out by chance.

import { gatewayOf } from "../protocol/connection-id.ts";
import { TestClient } from "./client.ts";

/**
 * Opens connections until each gateway has some.
 * @param least How many there are to be.
 * @param idOf Finds out the id of one that has just opened.
 */
export async function openOnBoth(url: string, least: number, idOf: (client: TestClient) => Promise<string>): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  const gateways = new Set<string>();
  while (gateways.size < 2 || clients.length < least) {
    const client = await TestClient.open(url);
    clients.push(client);
    gateways.add(gatewayOf(await idOf(client)));
  }
  return clients;
}

// Opens Wampy.js as tests have it: it does not come back by itself.

import { Wampy } from "wampy";
import { WebSocket } from "ws";

export type WampyOptions = NonNullable<ConstructorParameters<typeof Wampy>[1]>;

/** Wampy hands headers over as another package takes them. */
class WithHeaders extends WebSocket {
  constructor(url: string, protocols: string[], _origin: null, headers: Record<string, string> | null) {
    super(url, protocols, { headers: headers ?? {} });
  }
}

/** Resolves when it is in its realm. */
export async function openWampy(url: string, options: WampyOptions = {}): Promise<Wampy> {
  const client = new Wampy(url, { realm: "realm1", ws: WithHeaders as never, autoReconnect: false, ...options });
  await client.connect();
  return client;
}

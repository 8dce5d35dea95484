// The API's own port: a listener beside the public one, of this gateway alone, for plain HTTP from programs nearby.

import type { ClientEvents } from "../client-events.ts";
import type { LiveSettings } from "../live-settings.ts";
import { listen, type Server } from "../uws/server.ts";
import type { Api } from "./api.ts";

export interface ApiPortOptions {
  readonly settings: LiveSettings;
  readonly clients: Pick<ClientEvents, "identified" | "limits">;
  readonly api: Api;
}

/** @returns undefined where API_PORT is 0. @throws where the port cannot be had. */
export async function listenApi({ settings, clients, api }: ApiPortOptions): Promise<Server | undefined> {
  const { API_PORT, API_HOST, GATEWAY_INSTANCE } = settings.config;
  if (API_PORT === 0) return undefined;
  // A program that tries again should reach the gateway that knows whether it has answered: each has a port of its own.
  const port = API_PORT + GATEWAY_INSTANCE - 1;
  const { limits } = settings.server;
  return listen<object>(
    { host: API_HOST, port, tls: undefined, limits, isExclusive: true },
    {
      mayConnect: (ip) => clients.limits.mayConnect(ip),
      isBarred: (ip) => clients.limits.isBarred(ip),
      onUpgrade: (_, client) => client.answer({ status: 404, headers: [], body: "no WebSockets here: this is API_PORT\n", close: "now" }),
      onRequest: (incoming, client) => api.request(clients.identified(incoming), client, ""),
      onOpen: () => undefined,
      onMessage: () => undefined,
      onClose: () => undefined,
    },
  );
}

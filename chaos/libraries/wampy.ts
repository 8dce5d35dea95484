// Wampy.js.

import { Wampy } from "wampy";
import { WebSocket } from "ws";
import type { OpenLibraryClient } from "./library-client.ts";
import { type OpenPeer, WampPair, type WampPeer } from "./wamp-pair.ts";

export const wampy: OpenLibraryClient = (url, events) => new WampPair("wampy", openPeer, url, events);

const openPeer: OpenPeer = (url, { joined, left }) => {
  /** It tells of a lost connection only when it tries again. */
  class ToldWebSocket extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols);
      this.on("close", (code) => left(`closed with ${code}`));
    }
  }
  const client = new Wampy(url, {
    realm: "chaos",
    ws: ToldWebSocket as never,
    autoReconnect: true,
    reconnectInterval: 100,
    // Without end.
    maxRetries: 0,
    onReconnectSuccess: () => joined(peer),
  });
  const peer: WampPeer = {
    call: async (procedure, args) => (await client.call(procedure, [...args])).argsList?.[0],
    publish: (topic, args) => void client.publish(topic, [...args]).catch(() => undefined),
    register: (procedure, endpoint) => client.register(procedure, ({ argsList }) => ({ argsList: [endpoint(argsList?.[0])] })),
    subscribe: (topic, listener) => client.subscribe(topic, ({ argsList }) => listener(argsList?.[0])),
  };
  client.connect().then(
    () => joined(peer),
    (error: Error) => left(error.message),
  );
  return () => void client.disconnect()?.catch(() => undefined);
};

// What Engine.IO's transports share. Source: engine.io-protocol v4, "Packet encoding".

export const packetType = { open: "0", close: "1", ping: "2", pong: "3", message: "4", upgrade: "5", noop: "6", binary: "b" } as const;

/** What closes a connection that cannot go on, and whose client may begin another one. */
export const transportErrorCode = 4012;

/** What a binary message carries that came as text, from a client that has no binary frames. */
export function binaryOf(packet: string): Uint8Array {
  return Buffer.from(packet.slice(1), "base64");
}

/** Whether it has more bytes. */
export function isLonger(data: string | Uint8Array, limitBytes: number): boolean {
  // A character of UTF-16 is three bytes of UTF-8 at most, and most texts are far from the limit.
  if (typeof data === "string") return data.length * 3 > limitBytes && Buffer.byteLength(data) > limitBytes;
  return data.length > limitBytes;
}

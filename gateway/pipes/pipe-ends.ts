// One kind of ends of pipes, by the other gateway and the number that the WebSocket's gateway has given each. Pure.

import type { PipeEnd } from "./peer-link.ts";

export class PipeEnds<End extends PipeEnd> {
  private readonly byPeer = new Map<string, Map<number, End>>();

  get size(): number {
    let size = 0;
    for (const ends of this.byPeer.values()) size += ends.size;
    return size;
  }

  /** With which there are any. */
  get peers(): Iterable<string> {
    return this.byPeer.keys();
  }

  has(peer: string): boolean {
    return this.byPeer.has(peer);
  }

  get(peer: string, number: number): End | undefined {
    return this.byPeer.get(peer)?.get(number);
  }

  /** All with a peer. One that is removed meanwhile makes no difference to the others. */
  of(peer: string): Iterable<End> {
    return this.byPeer.get(peer)?.values() ?? [];
  }

  add(peer: string, end: End): void {
    const known = this.byPeer.get(peer);
    if (known === undefined) this.byPeer.set(peer, new Map([[end.number, end]]));
    else known.set(end.number, end);
  }

  remove(peer: string, { number }: End): void {
    const known = this.byPeer.get(peer);
    if (known?.delete(number) && known.size === 0) this.byPeer.delete(peer);
  }
}

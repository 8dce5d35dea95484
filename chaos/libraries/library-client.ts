// What the watch needs of a client from npm, whatever its library.

export interface LibraryEvents {
  /**
   * It is connected, for the first time or again: numbers begin at 1.
   * @param connections Ids of the connections that its messages travel over. Empty: any gateway may get a request of it.
   */
  opened(connections: readonly string[]): void;
  /** @param way One of its `ways`. */
  heard(way: string, number: number): void;
  /** An answer was an error. */
  failed(reason: string): void;
  /** It has lost its connection, and is to come back by itself. */
  ended(reason: string): void;
}

export interface LibraryClient {
  readonly name: string;
  /** In how many ways each number comes back: once and in order in each. */
  readonly ways: readonly string[];
  /** Only while it is open. */
  send(number: number): void;
  close(): void;
}

/** @param url ws:// */
export type OpenLibraryClient = (url: string, events: LibraryEvents) => LibraryClient;

export function httpOf(url: string): string {
  return url.replace(/^ws/, "http");
}

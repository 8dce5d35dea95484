// A list of connections, in the order in which they were added. A Set would do the same, but it stops the event loop for tens of
// milliseconds when it grows past some hundred thousand. Here a connection holds its place itself, so it is in one list at most. Pure.

import type { Connection } from "./connection.ts";

export class ConnectionList implements Iterable<Connection> {
  size = 0;
  /** The oldest. */
  first: Connection | undefined;
  private last: Connection | undefined;
  /** What iterations under way come to next. */
  private readonly cursors = new Set<{ next: Connection | undefined }>();

  /** Iterations that have not ended: whoever gives one up has to call its `return`. */
  get iterations(): number {
    return this.cursors.size;
  }

  has(connection: Connection): boolean {
    return connection.list === this;
  }

  /** To its end. The connection must be in no other list. */
  add(connection: Connection): void {
    if (connection.list === this) return;
    connection.list = this;
    connection.before = this.last;
    if (this.last === undefined) this.first = connection;
    else this.last.after = connection;
    this.last = connection;
    this.size++;
    for (const cursor of this.cursors) cursor.next ??= connection;
  }

  /** @returns whether it was there. */
  delete(connection: Connection): boolean {
    if (connection.list !== this) return false;
    const { before, after } = connection;
    for (const cursor of this.cursors) if (cursor.next === connection) cursor.next = after;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.last = before;
    else after.before = before;
    connection.list = connection.before = connection.after = undefined;
    this.size--;
    return true;
  }

  /** The list may change meanwhile: what was taken out is not met any more, what was added is. */
  *[Symbol.iterator](): Generator<Connection, void> {
    const cursor = { next: this.first };
    this.cursors.add(cursor);
    try {
      for (let connection = cursor.next; connection !== undefined; connection = cursor.next) {
        cursor.next = connection.after;
        yield connection;
      }
    } finally {
      this.cursors.delete(cursor);
    }
  }
}

// The field, and what is told of it.

export const columns = 20;
export const rows = 10;

/** Where everybody is, 30 times a second: old a moment later. */
export const cursors = "demo:game:cursors";
/** Who has taken which tile. Pages show what the latest 300 say, so all of them show the same. */
export const tiles = "demo:game:tiles";
export const keep = { messages: 300, seconds: 24 * 3600 };

export interface Cursor {
  readonly id: string;
  readonly name: string;
  /** Grows: of two, the one with the higher number is the newer one. */
  readonly n: number;
  /** 0 to 1, as `y`. */
  readonly x: number;
  readonly y: number;
}

/** Players of the same name play together. */
export interface Taking {
  readonly tile: number;
  readonly name: string;
}

/** @returns the number of the tile there, row by row. */
export function tileAt(x: number, y: number): number {
  const column = Math.min(Math.floor(x * columns), columns - 1);
  const row = Math.min(Math.floor(y * rows), rows - 1);
  return row * columns + column;
}

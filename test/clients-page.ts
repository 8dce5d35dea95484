// What docs/clients.md shows, as it stands there.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";

const page = readFileSync(join(import.meta.dirname, "..", "docs", "clients.md"), "utf8");

/** @returns what the last cell of this client's row under "No herd" says, computed anew each time. */
export function documentedOptions(client: string): object {
  const row = new RegExp(`^\\| ${client}[ ,|].*\`([^\`]+)\` \\|$`, "m").exec(page.slice(page.indexOf("**No herd.**")));
  if (row === null) throw new Error(`"No herd" says nothing of ${client}`);
  return runInNewContext(`({ ${row[1]} })`) as object;
}

export interface ExampleOptions {
  /** What its WebSocket is made from. */
  readonly WebSocket: unknown;
  readonly fetchTicket: () => Promise<string>;
}

/** Runs the example of "When to come back". */
export function runExample({ WebSocket, fetchTicket }: ExampleOptions): void {
  const [, code = ""] = /```js\nimport \{ WebSocket \} from "partysocket";\n(.*?)```/s.exec(page) ?? [];
  runInNewContext(code, { WebSocket, fetchTicket });
}

/** What the example gives to its WebSocket, without one being opened. */
export function exampleArguments(fetchTicket: () => Promise<string>): {
  url: () => Promise<string>;
  options: { minReconnectionDelay: number; shouldReconnectOnClose: (event: { code: number }) => boolean };
} {
  let given: unknown[] = [];
  const WebSocket = class extends EventTarget {
    constructor(...all: unknown[]) {
      super();
      given = all;
    }
  };
  runExample({ WebSocket, fetchTicket });
  return { url: given[0], options: given[2] } as ReturnType<typeof exampleArguments>;
}

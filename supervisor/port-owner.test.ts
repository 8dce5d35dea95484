import { createServer } from "node:net";
import { expect, test } from "vitest";
import { listenerInodes, portOwner } from "./port-owner.ts";

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 81234 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 81299 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1111 1 0000000000000000 100 0 0 10 0
`;

test("the listener on a port is found, and its connections are not", () => {
  expect(listenerInodes(table, 8080)).toEqual(["81234"]);
});

test("a port that nobody listens on has no owner", () => {
  expect(listenerInodes(table, 8081)).toEqual([]);
});

test.runIf(process.platform === "linux")("the process that listens on a port is named with its command line", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const owner = portOwner(port);
  server.close();
  expect(owner?.pid).toBe(process.pid);
  expect(owner?.commandLine).toContain("node");
});

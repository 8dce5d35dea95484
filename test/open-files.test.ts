// More clients than files, on a running system.

import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { refusal, TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await system.stop();
});

async function start(openFiles: number): Promise<TestSystem> {
  system = await TestSystem.start({ gateways: 0, workers: 1 });
  system.startGateway({ OPEN_FILES: String(openFiles) });
  await system.until(() => system.gatewayHellos.length === 1, "the gateway says hello");
  await system.activate("1");
  return system;
}

const gateway = () => {
  const found = system.processes.find(({ name }) => name === "gateway");
  if (found === undefined) throw new Error("there is none");
  return found;
};

const health = async () => (await fetch(`http://127.0.0.1:${system.gatewayHellos[0]?.adminPort}/healthz`)).status;

/** What a process has used of a processor. Source: proc(5), /proc/pid/stat: utime and stime, in hundredths of a second. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

test("clients beyond the limit are refused with 503, and the others notice nothing", async () => {
  await start(256);
  const clients: TestClient[] = [];
  let answer: Awaited<ReturnType<typeof refusal>> | undefined;
  while (answer === undefined) {
    const client = await TestClient.open(`${system.url}/echo`);
    if (client.isOpen) clients.push(client);
    else answer = await refusal(`${system.url}/echo`);
  }
  expect(answer).toMatchObject({ status: 503, body: expect.stringContaining("gateway.full") });
  expect(answer.headers["retry-after"]).toBe("5");
  expect(clients.length).toBeGreaterThan(64);
  expect(await health()).toBe(200);
  await system.restartNats();
  for (const client of clients) client.send("still there");
  await Promise.all(clients.map((client) => client.receives(1)));
  await system.until(() => gateway().logged("gateway.full").length === 1, "it is logged");
  for (const client of clients.splice(0, 40)) await client.close();
  await system.until(() => gateway().logged("there are files for more connections").length === 1, "there is room again");
  await (await TestClient.open(`${system.url}/echo`)).close();
  await Promise.all(clients.map((client) => client.close()));
});

test.runIf(process.platform === "linux")(
  "sockets that ask for nothing take neither the admin port nor NATS nor a core, and there is room when they have gone",
  async () => {
    await start(256);
    const client = await TestClient.open(`${system.url}/echo`);
    for (let count = 0; count < 400; count++) sockets.push(connect(system.port, "127.0.0.1").on("error", () => undefined));
    await system.until(() => gateway().logged("gateway.full").length === 1, "it is full");
    const [cpuMs, at] = [cpuMsOf(gateway().pid), performance.now()];
    // It looks how many are open four times a second: until the next time, those who come may take the last one.
    expect(await vi.waitFor(health, { timeout: patienceMs, interval: 50 })).toBe(200);
    await system.restartNats();
    client.send("still there");
    await client.receives(1);
    expect((cpuMsOf(gateway().pid) - cpuMs) / (performance.now() - at)).toBeLessThan(0.5);
    for (const socket of sockets.splice(0)) socket.destroy();
    await system.until(() => gateway().logged("there are files for more connections").length === 1, "there is room again");
    await (await TestClient.open(`${system.url}/echo`)).close();
    await client.close();
  },
);

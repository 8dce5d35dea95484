// Everything ends at once, as in a power cut: nobody is left to run onClose. What comes up again tells handlers, who set right
// what they keep of connections. Here that is a table of who is present.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { Installation, isAlive, until } from "./installation.ts";
import { TestSystem } from "./system.ts";

let installation: Installation | undefined;
let system: TestSystem | undefined;
const clients: TestClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.breakOff();
  await installation?.end();
  await system?.stop();
  installation = system = undefined;
});

/** Node has had SQLite since 22.5. Before that, a folder is the table and a file a row. */
const sqlite: typeof import("node:sqlite") | undefined = process.getBuiltinModule("node:sqlite");

const table = sqlite
  ? `import { DatabaseSync } from "node:sqlite";

const db = new DatabaseSync(join(process.env.SHARED_DIR ?? "", "presence.db"), { timeout: 60_000 });
db.exec("CREATE TABLE IF NOT EXISTS present (gateway TEXT, id TEXT PRIMARY KEY)");
// An onOpen may run again where its worker was taken for dead.
const put = (gateway: string, id: string) => db.prepare("INSERT OR REPLACE INTO present VALUES (?, ?)").run(gateway, id);
const take = (id: string) => db.prepare("DELETE FROM present WHERE id = ?").run(id);
const drop = (gateway: string) => db.prepare("DELETE FROM present WHERE gateway = ?").run(gateway);`
  : `import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const folder = join(process.env.SHARED_DIR ?? "", "present");
mkdirSync(folder, { recursive: true });
const put = (gateway: string, id: string) => writeFileSync(join(folder, id), gateway);
const take = (id: string) => rmSync(join(folder, id), { force: true });
const drop = (gateway: string) => readdirSync(folder).filter((id) => id.startsWith(\`\${gateway}-\`)).forEach(take);`;

const handler = `import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { defineHandler } from "../handler.ts";
${table}

export default defineHandler({
  path: "/present",
  onOpen(conn) { put(conn.gateway, conn.id); },
  onClose(conn) { take(conn.id); },
  onGatewayLost(_app, { gateway }) {
    appendFileSync(join(process.env.SHARED_DIR ?? "", "lost"), gateway + "\\n");
    drop(gateway);
  },
});
`;

function sharedFolder(): string {
  return join(installation?.cacheFolder ?? "", "shared");
}

/** The ids in the table. */
function present(): string[] {
  if (sqlite === undefined) return readdirSync(join(sharedFolder(), "present"));
  // Not readOnly: whoever opens it first after a power cut rolls back what was under way.
  const db = new sqlite.DatabaseSync(join(sharedFolder(), "presence.db"), { timeout: 60_000 });
  try {
    return db
      .prepare("SELECT id FROM present")
      .all()
      .map(({ id }) => String(id));
  } finally {
    db.close();
  }
}

/** The gateways that onGatewayLost was called with. */
function lost(): string[] {
  const file = join(sharedFolder(), "lost");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
}

async function connect(url: string, count: number): Promise<void> {
  clients.push(...(await Promise.all(Array.from({ length: count }, () => TestClient.open(`${url}/present`)))));
}

/** A process and what it has started, and so on. */
function treeOf(pid: number): number[] {
  const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const parents = rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]);
  const below = (parent: number): number[] => parents.flatMap(([child, of]) => (of === parent ? [child, ...below(child)] : []));
  return [pid, ...below(pid)];
}

/** Nothing of it notices that anything else ends. */
async function cutPower(pid: number): Promise<void> {
  const all = treeOf(pid);
  for (const signal of ["SIGSTOP", "SIGKILL"] as const) {
    for (const each of all) {
      try {
        process.kill(each, signal);
      } catch {
        // The ps that has listed them.
      }
    }
  }
  await until("the end of all processes", () => (all.some(isAlive) ? undefined : true));
}

test("a table of who is present is right after a power cut, after a gateway's death, and after an end in order", async () => {
  installation = await Installation.cloned({ WORKERS: "2", GATEWAYS: "2" });
  installation.write("worker/handlers/present.ts", handler);
  mkdirSync(sharedFolder(), { recursive: true });
  const untilPresent = (count: number) => until(`${count} in the table`, () => (present().length === count ? true : undefined));
  const start = async () => {
    const command = (installation as Installation).start();
    return { command, url: (await command.line(/^ready ws:/)).replace("ready ", "") };
  };
  const first = await start();
  await connect(first.url, 1_000);
  await untilPresent(1_000);
  const before = new Set(present().map((id) => id.split("-")[0]));
  expect(before.size).toBe(2);

  await cutPower(first.command.pid);
  clients.length = 0;
  // A row is there that nobody will ever take out again.
  expect(present()).toHaveLength(1_000);
  const second = await start();
  await connect(second.url, 50);
  await untilPresent(50);
  expect(new Set(lost())).toEqual(before);

  const [gateway] = (await installation.status()).gateways;
  if (gateway === undefined) throw new Error("there is no gateway");
  process.kill(gateway.pid, "SIGKILL");
  await until("the loss of a gateway that is known", () => (lost().includes(gateway.id) ? true : undefined));
  await until("a table without its clients", () => (present().some((id) => id.startsWith(`${gateway.id}-`)) ? undefined : true));
  await untilPresent(clients.filter(({ isOpen }) => isOpen).length);

  second.command.process.kill("SIGTERM");
  expect(await second.command.exited).toBe(0);
  expect(present()).toEqual([]);
  // Nothing is left to be told at the next start.
  const identities = join(installation.cacheFolder, "gateways");
  expect(readdirSync(identities).map((name) => readFileSync(join(identities, name), "utf8"))).toEqual(["", ""]);
});

test("of a gateway whose machine never comes back another one tells", async () => {
  system = await TestSystem.start({ gateways: 2, environment: { GATEWAY_TIMEOUT_MS: "9000", NATS_TIMEOUT_MS: "600" } });
  const [first] = system.live("gateway");
  const { id } = system.gatewayHellos.find(({ pid }) => pid === first?.pid) ?? {};
  const listeners: TestClient[] = [];
  // Until one of them is at the other gateway.
  while (listeners.filter((listener) => !String(listener.received[0]).includes(`${id}-`)).length === 0) {
    const listener = await TestClient.open(`${system.url}/lost`);
    clients.push(listener);
    listeners.push(listener);
    await listener.receives(1);
  }
  await first?.end("SIGKILL");
  const listener = listeners.at(-1) as TestClient;
  await listener.receives(2);
  expect(String(listener.received[1])).toBe(id);
});

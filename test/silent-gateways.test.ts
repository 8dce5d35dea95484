// Gateways that fall silent without a word, as when a machine loses power or its network: nobody waits for them.

import { afterEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

interface Lists {
  readonly members: unknown[];
  readonly connections: number;
  readonly met: number;
}

test("lists leave out a gateway that is silent, and a message to a user waits for it until it comes back", async () => {
  system = await TestSystem.start({ environment: { APP_TIMEOUT_MS: "180000", TURN_TIMEOUT_MS: "180000", DRAIN_MS: "600000" } });
  const [process] = system.live("gateway");
  const [worker] = system.live("worker");
  const ada = await TestClient.open(`${system.url}/app/ada`);
  const port = await freePort("127.0.0.1");
  const { pid } = system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.some((hello) => hello.pid === pid && hello.serving), "another gateway serves");
  const [bob, boss] = await Promise.all(["script/members", "app/boss"].map((path) => TestClient.open(`ws://127.0.0.1:${port}/${path}`)));
  const there = await TestClient.open(`${system.url}/script/members`);
  for (const [client, as] of [[there, "Ada"] as const, [bob as TestClient, "Bob"] as const]) {
    client.send([{ do: "subscribe", topic: "room", as }, { do: "tell" }]);
    await client.receives(1);
  }
  await Promise.all([ada.receives(1), boss?.receives(1)]);

  const next = async (client: TestClient | undefined, wish: object): Promise<unknown> => {
    const before = client?.received.length ?? 0;
    client?.send(wish);
    await client?.receives(before + 1);
    return client?.values[before];
  };
  /** Also sends to Ada. */
  const lists = async (data: string): Promise<Lists> => {
    const { members } = (await next(bob, [{ do: "members", topic: "room" }])) as { members: Array<{ info: unknown }> };
    const { of } = (await next(boss, { connectionsOf: "ada" })) as { of: string[] };
    const { met } = (await next(boss, { sendToUser: "ada", data })) as { met: number };
    return { members: members.map(({ info }) => info), connections: of.length, met };
  };
  expect(await lists("to all")).toEqual({ members: ["Ada", "Bob"], connections: 1, met: 1 });
  process?.child.kill("SIGSTOP");
  expect(await lists("while it was silent")).toEqual({ members: ["Bob"], connections: 0, met: 0 });
  process?.child.kill("SIGCONT");
  await ada.receives(3);
  expect(ada.received.slice(1)).toEqual(["to all", "while it was silent"]);
  while ((await lists("is it back?")).members.length < 2);
  expect(await lists("it is back")).toEqual({ members: ["Ada", "Bob"], connections: 1, met: 1 });

  await process?.end("SIGKILL");
  expect(await lists("too late")).toEqual({ members: ["Bob"], connections: 0, met: 0 });
  await Promise.all([bob, boss].map((client) => client?.close()));
  // It has connections there, and would wait for them for longer than a process may take here.
  expect(await worker?.end()).toBe(0);
});

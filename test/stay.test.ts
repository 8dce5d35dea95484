// Connections that have something in their worker's memory while a hand-over begins.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;
let store: string;

afterEach(async () => {
  await system.stop();
  rmSync(store, { recursive: true });
});

test("a turn that asks to stay when its connection was just asked back gets the messages that belong to its memory", async () => {
  store = mkdtempSync(join(tmpdir(), "thinstate-stay-"));
  const nats = await startNats(0, ["-js", "-sd", store]);
  system = await TestSystem.start({ handlers: "stay", nats, environment: { TURN_TIMEOUT_MS: "120000" } });
  const [before] = system.workerHellos;
  const [holder, client] = [await TestClient.open(`${system.url}/upload`), await TestClient.open(`${system.url}/upload`)];
  holder.send({ do: "hold" });
  await holder.receives(1);
  client.send({ do: "begin" });
  client.send({ do: "piece", piece: 1 });
  await client.receives(1);

  await system.standBy("2");
  const active = system.activate("2");
  const isAskedBack = () =>
    system.gatewayHellos.some(
      ({ handover, pins }) => handover?.generation === 2 && handover.remaining === 1 && pins[before?.id ?? ""] === 0,
    );
  await system.until(isAskedBack, "the worker is asked for the connection whose turn waits");
  client.send({ do: "piece", piece: 2 });
  await holder.close();
  client.send({ do: "piece", piece: 3 });
  client.send({ do: "end" });
  client.send({ do: "hold" });
  await client.receives(3);
  expect(client.received).toEqual(["waits", JSON.stringify({ pieces: [1, 2, 3], release: "1" }), "held"]);
  await active;
  client.send({ do: "end" });
  expect(await client.closes()).toEqual({ code: 4012, reason: "release 2 has no pieces" });
});

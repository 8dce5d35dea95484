import { expect, test } from "vitest";
import { defineHandler, type } from "../../handler.ts";
import { type TestLimits, testHandler } from "../../testing.ts";
import { onWarning, type Warning } from "../../warnings.ts";
import { engineHooks } from "./engine.ts";

const warnings: Warning[] = [];
onWarning((...warning) => warnings.push(warning));

function echo(heard: unknown[] = [], limits: TestLimits = {}) {
  const hooks = engineHooks<{ sid?: string }>(
    { maxHttpBufferSize: 100 },
    {
      initial: {},
      opened: () => undefined,
      received: (_conn, data) => {
        heard.push(data);
      },
      closed: (_conn, reason) => {
        heard.push(reason);
      },
    },
  );
  return testHandler(defineHandler({ path: "/engine.io/*", state: type<{ sid?: string }>({}), ...hooks }), limits);
}

const url = "/engine.io/?EIO=4&transport=websocket";

test.each([
  ["text", "a".repeat(99), "a".repeat(100)],
  ["text of several bytes a character", "ä".repeat(49), "ä".repeat(50)],
  ["bytes", new Uint8Array(100), new Uint8Array(101)],
])("a message has at most maxHttpBufferSize bytes: %s", async (_, fits, isTooLong) => {
  const heard: unknown[] = [];
  const client = await (await echo(heard)).connect(url);
  const packet = (data: string | Uint8Array) => (typeof data === "string" ? `4${data}` : data);
  await client.send(packet(fits));
  expect(heard).toEqual([fits]);
  await client.send(packet(isTooLong));
  expect(client.closed).toEqual({ code: 1009, reason: "message.tooLarge" });
  expect(heard).toEqual([fits, "transport error"]);
});

test("a body of long-polling has at most maxHttpBufferSize bytes", async () => {
  const app = await echo();
  const address = "/engine.io/?EIO=4&transport=polling&sid=one";
  const post = (body: string) => ({ method: "POST", body });
  expect(await app.session(address, post(`4${"a".repeat(99)}`))).toMatchObject({ kind: "deliver" });
  warnings.length = 0;
  const refused = await app.request(address, post(`4${"a".repeat(100)}`));
  expect([refused.status, await refused.text()]).toEqual([413, ""]);
  expect(warnings).toEqual([[{}, { limitBytes: 100 }, expect.stringContaining("maxHttpBufferSize")]]);
});

test("clients are told no more than the gateway takes, and the log that maxHttpBufferSize is above it", async () => {
  const maxPayload = async (messageBytes: number) => {
    const client = await (await echo([], { messageBytes })).connect(url);
    return (JSON.parse(String(client.frames[0]).slice(1)) as { maxPayload: number }).maxPayload;
  };
  warnings.length = 0;
  expect(await maxPayload(100)).toBe(100);
  expect(warnings).toEqual([]);
  expect(await maxPayload(99)).toBe(99);
  const text =
    "maxHttpBufferSize is 100, and MESSAGE_BYTES 99: clients are told that they may send 99 bytes. Lower maxHttpBufferSize to that, or raise MESSAGE_BYTES, as docs/limits.md has it";
  expect(warnings).toEqual([[{}, {}, text]]);
});

test("a client without binary frames sends bytes as base64", async () => {
  const heard: unknown[] = [];
  const client = await (await echo(heard)).connect(url);
  await client.send("bAAEC");
  expect(heard).toEqual([Buffer.of(0, 1, 2)]);
});

test.each(["5", "6"])("a packet %s of a client that has nothing to upgrade changes nothing", async (packet) => {
  const heard: unknown[] = [];
  const client = await (await echo(heard)).connect(url);
  await client.send(packet);
  await client.send("4hello");
  expect([heard, client.closed]).toEqual([["hello"], undefined]);
});

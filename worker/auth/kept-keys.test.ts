import { createLocalJWKSet, type JWTVerifyGetKey } from "jose";
import { beforeEach, expect, test } from "vitest";
import { onWarning, type Warning } from "../warnings.ts";
import { KeptKeys } from "./kept-keys.ts";
import { testIssuer } from "./testing.ts";

const rereadMs = 600_000;
const pauseMs = 30_000;
const keepMs = 4 * 3_600_000;
const issuer = await testIssuer({ issuer: "i", audience: "a" });
const next = await testIssuer({ issuer: "i", audience: "a" });

const warnings: Warning[] = [];
onWarning((...warning) => warnings.push(warning));

let nowMs: number;
let reads: number;
let read: () => Promise<JWTVerifyGetKey>;
let keys: KeptKeys;

beforeEach(() => {
  warnings.length = 0;
  nowMs = 0;
  reads = 0;
  read = answers(issuer);
  const counted = () => {
    reads++;
    return read();
  };
  keys = new KeptKeys({ name: "keys.example.com", read: counted, rereadMs, pauseMs, keepMs }, () => nowMs);
});

function answers({ jwks }: typeof issuer): () => Promise<JWTVerifyGetKey> {
  return () => Promise.resolve(createLocalJWKSet(jwks));
}

async function fails(): Promise<never> {
  throw new Error("away");
}

/** Never answers. */
function hangs(): Promise<never> {
  return new Promise(() => undefined);
}

async function has({ jwks }: typeof issuer): Promise<true> {
  await keys.get({ alg: "ES256", kid: jwks.keys[0]?.kid ?? "" }, { payload: "", signature: "" });
  return true;
}

test("they are read once for all that ask, and again when they are old", async () => {
  await Promise.all([has(issuer), has(issuer), has(issuer)]);
  nowMs += rereadMs - 1;
  await has(issuer);
  expect(reads).toBe(1);
  nowMs += 1;
  await Promise.all([has(issuer), has(issuer)]);
  expect(reads).toBe(2);
});

test("while they cannot be read, those that are known stay good, nobody reads more often than each 30 s, and one warning says so", async () => {
  await has(issuer);
  read = fails;
  nowMs += rereadMs;
  for (let count = 0; count < 20; count++) expect(await has(issuer)).toBe(true);
  expect(reads).toBe(2);
  nowMs += pauseMs - 1;
  await has(issuer);
  expect(reads).toBe(2);
  for (let minute = 0; minute < 10; minute++) {
    nowMs += 60_000;
    expect(await has(issuer)).toBe(true);
  }
  expect(reads).toBe(12);
  const text = "the keys for tokens (keys.example.com) cannot be read: those read before are good for 4 h after that";
  expect(warnings).toEqual([[{ code: "auth.unavailable" }, { err: new Error("away") }, text]]);
});

test("nobody waits for an attempt that follows a failed one", async () => {
  await has(issuer);
  read = fails;
  nowMs += rereadMs;
  await has(issuer);
  read = hangs;
  nowMs += pauseMs;
  expect(await has(issuer)).toBe(true);
  await expect(has(next)).rejects.toMatchObject({ code: "auth.unavailable" });
  expect(reads).toBe(3);
});

test("after some hours they are good no more, until they can be read again", async () => {
  await has(issuer);
  read = fails;
  nowMs += keepMs - 1;
  expect(await has(issuer)).toBe(true);
  nowMs += 1_000;
  await expect(has(issuer)).rejects.toMatchObject({ code: "auth.unavailable", message: expect.stringContaining("keys.example.com") });
  read = answers(issuer);
  nowMs += 1_000;
  expect(await has(issuer)).toBe(true);
});

test("without any, everybody is told so, and they are read at most once a second", async () => {
  read = fails;
  for (let count = 0; count < 20; count++) await expect(has(issuer)).rejects.toMatchObject({ code: "auth.unavailable" });
  expect(reads).toBe(1);
  read = answers(issuer);
  nowMs += 1_000;
  expect(await has(issuer)).toBe(true);
});

test("an unknown key is looked for at most every 30 s; while they cannot be read, it may be a good one", async () => {
  await has(issuer);
  await expect(has(next)).rejects.toThrow("no applicable key");
  expect(reads).toBe(1);
  read = fails;
  nowMs += pauseMs;
  for (let count = 0; count < 20; count++) await expect(has(next)).rejects.toMatchObject({ code: "auth.unavailable" });
  expect(reads).toBe(2);
  read = answers(next);
  nowMs += pauseMs;
  // The first one starts the attempt, and may not wait for it.
  await has(next).catch(() => undefined);
  expect(await has(next)).toBe(true);
  await expect(has(issuer)).rejects.toThrow("no applicable key");
});

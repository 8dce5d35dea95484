import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWTHeaderParameters, SignJWT, UnsecuredJWT } from "jose";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test, vi } from "vitest";
import { keysInFile } from "./key-file.ts";
import { type TestIssuer, testIssuer } from "./testing.ts";
import { bearerTokens } from "./tokens.ts";

const issued = { issuer: "https://id.example.com", audience: "chat" };
const secret = "s".repeat(32);
let issuer: TestIssuer;
let folder: string;

beforeAll(async () => {
  issuer = await testIssuer(issued);
  folder = mkdtempSync(join(tmpdir(), "thinstate-keys-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function shown(token: string): Request {
  return new Request("http://h/", { headers: { authorization: `Bearer ${token}` } });
}

test("who has signed it, for whom, and until when: user, claims and end", async () => {
  const tokens = bearerTokens({ ...issued, jwks: issuer.jwks });
  const { user, claims, expiresAt } = await tokens.check(shown(await issuer.token({ sub: "ada", role: "admin" }, 60_000)));
  expect([user, claims.role]).toEqual(["ada", "admin"]);
  expect(Math.abs((expiresAt?.getTime() ?? 0) - Date.now() - 60_000)).toBeLessThan(30_000);
});

test("a schema types the claims, and refuses others; another claim may name the user", async () => {
  const claims = v.object({ role: v.picklist(["player", "admin"]) });
  const tokens = bearerTokens({ ...issued, jwks: issuer.jwks, claims, user: "email" });
  const identity = await tokens.verify(await issuer.token({ email: "ada@example.com", role: "player" }));
  expectTypeOf(identity.claims.role).toEqualTypeOf<"player" | "admin">();
  expect(identity).toMatchObject({ user: "ada@example.com", claims: { role: "player" } });
  await expect(tokens.verify(await issuer.token({ email: "ada@example.com", role: "x" }))).rejects.toThrow(/auth\.refused: role:/);
  for (const email of [undefined, "", 7, "x".repeat(1025)]) {
    await expect(tokens.verify(await issuer.token({ email, role: "player" }))).rejects.toThrow("auth.refused");
  }
});

describe("refused, with a text that has nothing of the token", () => {
  const cases: Array<[string, () => Promise<string> | string]> = [
    ["expired", () => issuer.token({ sub: "ada" }, -60_000)],
    ["of another issuer", async () => (await testIssuer(issued)).token({ sub: "ada" })],
    ["of an issuer of another name", async () => (await testIssuer({ ...issued, issuer: "https://evil.example" })).token({ sub: "ada" })],
    ["for somebody else", () => signed({ aud: "mail" })],
    ["without an end", () => signed({ exp: undefined })],
    ["without a user", () => issuer.token({})],
    ["without a signature", () => new UnsecuredJWT({ sub: "ada", iss: issued.issuer, aud: issued.audience, exp: 9e9 }).encode()],
    ["not one", () => "a.b.c"],
    ["empty", () => ""],
    ["with a public key as its secret", () => signed({}, { alg: "HS256" })],
  ];

  async function signed(changed: Record<string, unknown>, header: JWTHeaderParameters = { alg: "HS256" }): Promise<string> {
    const payload = { sub: "ada", iss: issued.issuer, aud: issued.audience, exp: Math.floor(Date.now() / 1000) + 60, ...changed };
    return new SignJWT(payload).setProtectedHeader(header).sign(new TextEncoder().encode(secret));
  }

  test.each(cases)("%s", async (_, make) => {
    const token = await make();
    const error = await bearerTokens({ ...issued, jwks: issuer.jwks })
      .verify(token)
      .catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: "auth.refused", closeCode: 4401 });
    for (const part of token.split(".").filter((text) => text.length > 3)) expect((error as Error).message).not.toContain(part);
    expect((error as Error).cause).toBeUndefined();
  });

  test.each(cases.slice(3, 5))("with a secret: %s", async (_, make) => {
    await expect(bearerTokens({ ...issued, secret }).verify(await make())).rejects.toMatchObject({ code: "auth.refused" });
  });

  test("an end that no Date can tell", async () => {
    const token = await signed({ exp: 2 ** 53 });
    await expect(bearerTokens({ ...issued, secret }).verify(token)).rejects.toThrow("auth.refused: the token's exp is no date");
  });

  test("a secret may be replaced: the old one still counts while it is named", async () => {
    const token = await signed({});
    const next = "n".repeat(32);
    expect(await bearerTokens({ ...issued, secret: [next, secret] }).verify(token)).toMatchObject({ user: "ada" });
    await expect(bearerTokens({ ...issued, secret: next }).verify(token)).rejects.toThrow("auth.refused");
  });
});

test.each([undefined, 7, {}, []])("what is no text is no token: %s", async (token) => {
  const refused = bearerTokens({ ...issued, jwks: issuer.jwks }).verify(token);
  await expect(refused).rejects.toThrow("auth.refused: a token is text");
});

test("a token in the query counts where the handler wants it, and the header first", async () => {
  const token = await issuer.token({ sub: "ada" });
  const request = { headers: {}, query: new URLSearchParams({ token }) };
  expect(await bearerTokens({ ...issued, jwks: issuer.jwks, query: "token" }).check(request)).toMatchObject({ user: "ada" });
  await expect(bearerTokens({ ...issued, jwks: issuer.jwks }).check(request)).rejects.toThrow("there is no token");
  const both = { ...request, headers: { authorization: "Bearer x.y.z" } };
  await expect(bearerTokens({ ...issued, jwks: issuer.jwks, query: "token" }).check(both)).rejects.toThrow("auth.refused");
});

test.each([undefined, "", "short", []])("without a secret that is long enough, nothing loads: %s", (given) => {
  expect(() => bearerTokens({ ...issued, secret: given })).toThrow(/secret/);
});

test("a token that names no key is tried with each key of its kind", async () => {
  const pairs = await Promise.all(Array.from({ length: 3 }, () => generateKeyPair("ES256")));
  const [old, next, strange] = pairs as [GenerateKeyPairResult, GenerateKeyPairResult, GenerateKeyPairResult];
  const keys = await Promise.all([old, next].map(async ({ publicKey }, index) => ({ ...(await exportJWK(publicKey)), kid: `${index}` })));
  const tokens = bearerTokens({ ...issued, jwks: { keys } });
  const signed = ({ privateKey }: GenerateKeyPairResult, exp: string) =>
    new SignJWT({ sub: "ada", iss: issued.issuer, aud: issued.audience })
      .setProtectedHeader({ alg: "ES256" })
      .setExpirationTime(exp)
      .sign(privateKey);
  for (const pair of [old, next]) {
    expect(await tokens.verify(await signed(pair, "1h"))).toMatchObject({ user: "ada" });
    await expect(tokens.verify(await signed(pair, "1h ago"))).rejects.toThrow("auth.refused: the token has expired");
  }
  await expect(tokens.verify(await signed(strange, "1h"))).rejects.toMatchObject({ code: "auth.refused" });
});

test("an issuer that is away locks nobody out for hours, and is asked at most every 30 s", async () => {
  let fetches = 0;
  let isAway = false;
  const server = createServer((_request, response) => {
    fetches++;
    if (isAway) response.writeHead(500).end();
    else response.end(JSON.stringify(issuer.jwks));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vi.useFakeTimers({ toFake: ["Date", "performance"] });
  try {
    const tokens = bearerTokens({ ...issued, jwks: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json` });
    const token = await issuer.token({ sub: "ada" }, 24 * 3_600_000);
    const verify = () => tokens.verify(token).then(({ user }) => user);
    expect(await verify()).toBe("ada");
    isAway = true;
    vi.advanceTimersByTime(11 * 60_000);
    expect(await Promise.all(Array.from({ length: 20 }, verify))).toEqual(Array(20).fill("ada"));
    expect(await verify()).toBe("ada");
    expect(fetches).toBe(2);
    vi.advanceTimersByTime(4 * 3_600_000);
    await expect(verify()).rejects.toMatchObject({ code: "auth.unavailable" });
    isAway = false;
    vi.advanceTimersByTime(1_000);
    expect(await verify()).toBe("ada");
  } finally {
    vi.useRealTimers();
    server.close();
  }
});

describe("keys in a file", () => {
  test("a key that is added is found, one that is taken out counts no more, and a file that cannot be read changes nothing", async () => {
    const next = await testIssuer(issued);
    const file = join(folder, "jwks.json");
    let nowMs = 0;
    const keys = keysInFile(file, () => nowMs);
    const header = ({ jwks }: TestIssuer) => ({ alg: "ES256", kid: jwks.keys[0]?.kid ?? "" });
    const has = (of: TestIssuer) => Promise.resolve(keys(header(of), { payload: "", signature: "" })).then(() => true);
    await expect(has(issuer)).rejects.toMatchObject({ code: "auth.unavailable" });
    writeFileSync(file, JSON.stringify(issuer.jwks));
    nowMs += 1_000;
    expect(await has(issuer)).toBe(true);
    await expect(has(next)).rejects.toThrow("no applicable key");
    writeFileSync(file, JSON.stringify({ keys: [...issuer.jwks.keys, ...next.jwks.keys] }));
    nowMs += 1_000;
    expect(await has(next)).toBe(true);
    writeFileSync(file, JSON.stringify(next.jwks));
    nowMs += 10_000;
    await expect(has(issuer)).rejects.toThrow("no applicable key");
    writeFileSync(file, "{");
    nowMs += 10_000;
    expect(await has(next)).toBe(true);
  });

  test("a file that is removed, or stays broken, is good for an hour, until there is one again", async () => {
    const file = join(folder, "removed.json");
    writeFileSync(file, JSON.stringify(issuer.jwks));
    let nowMs = 0;
    const keys = keysInFile(file, () => nowMs);
    const ask = () => Promise.resolve(keys({ alg: "ES256", kid: issuer.jwks.keys[0]?.kid ?? "" }, { payload: "", signature: "" }));
    await ask();
    rmSync(file);
    nowMs += 3_600_000 - 1;
    await ask();
    writeFileSync(file, "{");
    nowMs += 1_000;
    await expect(ask()).rejects.toMatchObject({ code: "auth.unavailable", message: expect.stringContaining(file) });
    writeFileSync(file, JSON.stringify(issuer.jwks));
    nowMs += 1_000;
    await ask();
  });

  test("unknown keys make nobody read the file more than once a second", async () => {
    const file = join(folder, "paced.json");
    writeFileSync(file, JSON.stringify(issuer.jwks));
    const next = await testIssuer(issued);
    let nowMs = 0;
    const keys = keysInFile(file, () => nowMs);
    const ask = () => Promise.resolve(keys({ alg: "ES256", kid: next.jwks.keys[0]?.kid ?? "" }, { payload: "", signature: "" }));
    await expect(ask()).rejects.toThrow();
    writeFileSync(file, JSON.stringify(next.jwks));
    nowMs += 999;
    await expect(ask()).rejects.toThrow();
    nowMs += 1;
    await ask();
  });
});

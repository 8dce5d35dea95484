import * as v from "valibot";
import { expect, expectTypeOf, test } from "vitest";
import { defineHandler } from "../handler.ts";
import { testHandler } from "../testing.ts";
import { type SessionOptions, sessionCookie } from "./sessions.ts";
import { bearerTokens } from "./tokens.ts";

const secret = "s".repeat(32);

function shown(setCookie: string): Request {
  return new Request("http://h/", { headers: { cookie: `other=1; ${setCookie.split(";")[0]}` } });
}

test("what is set on login is read on upgrade: the user, what else was said, and when it ends", async () => {
  const sessions = sessionCookie({ secret, claims: v.object({ room: v.string() }), lifetimeMs: 60_000 });
  const cookie = await sessions.cookie({ user: "ada", claims: { room: "blue" } });
  expect(cookie).toMatch(/^__Host-session=[\w.-]+; Max-Age=60; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  const identity = await sessions.check(shown(cookie));
  expectTypeOf(identity.claims).toEqualTypeOf<{ room: string }>();
  expect(identity).toMatchObject({ user: "ada", claims: { room: "blue" } });
  expect(Math.abs((identity.expiresAt?.getTime() ?? 0) - Date.now() - 60_000)).toBeLessThan(30_000);
});

test("without TLS, for other sites, under another name", async () => {
  const plain: SessionOptions<undefined> = { secret, secure: false, sameSite: "strict" };
  expect(await sessionCookie(plain).cookie({ user: "ada" })).toMatch(
    /^session=[\w.-]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  expect(sessionCookie({ secret, name: "s" }).clear()).toBe("s=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax");
});

test("a secret may be replaced: sessions of the old one go on, new ones are of the new one", async () => {
  const next = "n".repeat(32);
  const both = sessionCookie({ secret: [next, secret] });
  expect(await both.check(shown(await sessionCookie({ secret }).cookie({ user: "ada" })))).toMatchObject({ user: "ada" });
  expect(await sessionCookie({ secret: next }).check(shown(await both.cookie({ user: "ada" })))).toMatchObject({ user: "ada" });
});

test("no cookie, one that was changed or has expired, one of another name or secret: refused", async () => {
  const sessions = sessionCookie({ secret });
  const good = (await sessions.cookie({ user: "ada" })).split(";")[0] ?? "";
  const [head, body, signature] = good.split("=")[1]?.split(".") ?? [];
  const forged = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(body ?? "", "base64url").toString()), sub: "eve" })).toString(
    "base64url",
  );
  const wrong = [
    "",
    "__Host-session=",
    `__Host-session=${head}.${forged}.${signature}`,
    (await sessionCookie({ secret, lifetimeMs: -60_000 }).cookie({ user: "ada" })).split(";")[0],
    (await sessionCookie({ secret, name: "other" }).cookie({ user: "ada" })).split(";")[0]?.replace("other=", "__Host-session="),
    (await sessionCookie({ secret: "x".repeat(32) }).cookie({ user: "ada" })).split(";")[0],
  ];
  for (const cookie of wrong) {
    await expect(sessions.check({ headers: { cookie }, query: new URLSearchParams() })).rejects.toMatchObject({ code: "auth.refused" });
  }
  expect(await sessions.check({ headers: { cookie: good }, query: new URLSearchParams() })).toMatchObject({ user: "ada" });
});

test("a session is no token, though the secret be the same", async () => {
  const sessions = sessionCookie({ secret });
  const token = (await sessions.cookie({ user: "ada" })).split(/[=;]/)[1] ?? "";
  const tokens = bearerTokens({ issuer: "https://id.example.com", audience: "__Host-session", secret });
  await expect(tokens.verify(token)).rejects.toThrow("auth.refused");
});

test("a session cannot be made of claims that it could not be read with", async () => {
  const sessions = sessionCookie({ secret, claims: v.object({ room: v.string() }) });
  await expect(sessions.cookie({ user: "ada" })).rejects.toThrow("auth.refused");
  await expect(sessions.cookie({ user: "", claims: { room: "x" } })).rejects.toThrow("auth.refused");
});

test("a session stays valid after a ban: it is the handler's own list that keeps its user out, also while one is being let in", async () => {
  const sessions = sessionCookie({ secret });
  const answers = [false, false, true, false, true];
  const isBanned = async (_user: string | undefined) => answers.shift();
  const app = await testHandler(
    defineHandler({
      path: "/",
      async onUpgrade(request) {
        const { user, expiresAt } = await sessions.check(request);
        if (await isBanned(user)) return new Response("banned", { status: 403 });
        return { user, expiresAt };
      },
      async onOpen(conn) {
        if (await isBanned(conn.user)) conn.close(4403, "banned");
      },
    }),
  );
  const headers = { cookie: (await sessions.cookie({ user: "ada" })).split(";")[0] ?? "" };
  expect((await app.connect("/", { headers })).closed).toBeUndefined();
  expect((await app.refused("/", { headers })).status).toBe(403);
  expect((await app.connect("/", { headers })).closed).toEqual({ code: 4403, reason: "banned" });
});

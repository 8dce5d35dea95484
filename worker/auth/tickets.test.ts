// Handlers of the docs, as their tests would have them: on worker/testing.ts, without NATS. test/auth.test.ts has NATS.

import * as v from "valibot";
import { expect, expectTypeOf, test } from "vitest";
import { defineHandler, type } from "../handler.ts";
import { testHandler } from "../testing.ts";
import { admitFor, identify, userOf } from "./first-message.ts";
import { sessionCookie } from "./sessions.ts";
import { testIssuer } from "./testing.ts";
import { oneTimeTickets } from "./tickets.ts";
import { bearerTokens } from "./tokens.ts";

const sessions = sessionCookie({ secret: "s".repeat(32) });
const tickets = oneTimeTickets({ purpose: "blue room", claims: v.object({ room: v.string() }) });

const handler = defineHandler({
  path: "/",
  async onRequest(request, { app }) {
    const { user, expiresAt } = await sessions.check(request);
    return new Response(await tickets.issue(app, { user, claims: { room: "blue" }, expiresAt }));
  },
  async onUpgrade(request) {
    const { user, claims, expiresAt } = await tickets.check(request);
    expectTypeOf(claims).toEqualTypeOf<{ room: string }>();
    return { user: `${user} in ${claims.room}`, expiresAt };
  },
  onExpire(conn) {
    conn.send({ expired: true });
  },
});

async function ticketed() {
  const app = await testHandler(handler);
  const cookie = (await sessions.cookie({ user: "ada" })).split(";")[0] ?? "";
  const ticket = await (await app.request("/", { headers: { cookie } })).text();
  return { app, ticket };
}

test("a ticket lets its user in once; the connection ends with the session", async () => {
  const { app, ticket } = await ticketed();
  const ada = await app.connect(`/?ticket=${ticket}`);
  expect(ada.user).toBe("ada in blue");
  expect(ada.expiresAt?.getTime()).toBeGreaterThan(Date.now());
  expect((await app.refused(`/?ticket=${ticket}`)).status).toBe(401);
  expect((await app.refused("/?ticket=never")).status).toBe(401);
  expect((await app.refused("/")).status).toBe(401);
  expect((await app.request("/")).status).toBe(401);
});

test("the same upgrade, which runs again since its worker died, is let in again", async () => {
  const { app, ticket } = await ticketed();
  await app.connect(`/?ticket=${ticket}`, { id: "upgrade-1" });
  await app.connect(`/?ticket=${ticket}`, { id: "upgrade-1" });
  expect((await app.refused(`/?ticket=${ticket}`, { id: "upgrade-2" })).status).toBe(401);
});

test("a ticket of another purpose is none", async () => {
  const { app, ticket } = await ticketed();
  const other = oneTimeTickets({ purpose: "admin" });
  const request = { query: new URLSearchParams({ ticket }), id: "a", redelivered: false };
  const { oneTime } = app;
  await expect(other.check({ ...request, app: { oneTime } as never })).rejects.toThrow("auth.refused");
  await expect(tickets.check({ ...request, app: { oneTime } as never })).resolves.toMatchObject({ user: "ada" });
});

test("tickets need a purpose, so that no handler takes those of another one by accident", () => {
  // @ts-expect-error: a deploy checks types, too.
  expect(() => oneTimeTickets({})).toThrow("tickets need a purpose");
  expect(() => oneTimeTickets({ purpose: "" })).toThrow("tickets need a purpose");
});

test("a ticket that is shown too late is refused, unless its upgrade had begun before", async () => {
  const late = oneTimeTickets({ purpose: "chat", lifetimeMs: 1 });
  const values = new Map<string, string>();
  const oneTime = { put: async (key: string, value: string) => void values.set(key, value), take: async (key: string) => values.get(key) };
  const ticket = await late.issue({ oneTime }, { user: "ada" });
  const request = { query: new URLSearchParams({ ticket }), id: "a", app: { oneTime } as never };
  const [[key, text]] = [...values] as [[string, string]];
  expect(`${key} ${text}`).not.toContain(ticket);
  values.set(key, JSON.stringify({ ...JSON.parse(text), validUntil: Date.now() - 1 }));
  await expect(late.check({ ...request, redelivered: false })).rejects.toThrow("auth.refused");
  await expect(late.check({ ...request, redelivered: true })).resolves.toMatchObject({ user: "ada" });
});

test.each([0, -1, 300_001, Number.NaN])("a lifetime of %s ms is none", (lifetimeMs) => {
  expect(() => oneTimeTickets({ purpose: "chat", lifetimeMs })).toThrow(RangeError);
});

test("a token in the first message, and a later one when it has expired", async () => {
  const issued = { issuer: "https://id.example.com", audience: "chat" };
  const issuer = await testIssuer(issued);
  const tokens = bearerTokens({ ...issued, jwks: issuer.jwks });
  const app = await testHandler(
    defineHandler({
      path: "/",
      message: type<{ token: string } | { text: string }>(),
      onUpgrade: () => admitFor(10_000),
      async onMessage(conn, message) {
        if ("token" in message) await identify(conn, tokens.verify(message.token));
        else conn.send(`${userOf(conn)}: ${message.text}`);
      },
      onExpire(conn) {
        conn.send({ expired: userOf(conn) });
      },
    }),
  );
  const ada = await app.connect("/");
  await ada.send({ token: await issuer.token({ sub: "ada" }, 3_600_000) });
  await ada.send({ text: "hi" });
  expect([ada.user, ada.take()]).toEqual(["ada", ["ada: hi"]]);
  app.advance(3_600_000);
  expect(ada.take()).toEqual([{ expired: "ada" }]);
  await ada.send({ token: await issuer.token({ sub: "ada" }, 7_200_000) });
  app.advance(60_000);
  expect([ada.closed, ada.take()]).toEqual([undefined, []]);
  await ada.send({ token: await issuer.token({ sub: "eve" }) });
  expect(ada.closed).toEqual({ code: 4401, reason: "auth.refused" });

  const nobody = await app.connect("/");
  app.advance(10_000);
  expect(nobody.closed).toEqual({ code: 4401, reason: "auth.refused" });
  const hasty = await app.connect("/");
  await hasty.send({ text: "hi" });
  expect(hasty.closed).toEqual({ code: 4401, reason: "auth.refused" });
});

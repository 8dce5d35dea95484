// A token in a header, in the query, or in the first message.

import * as v from "valibot";
import { admitFor, identify, userOf } from "../../../worker/auth/first-message.ts";
import { bearerTokens } from "../../../worker/auth/tokens.ts";
import { defineHandler, type } from "../../../worker/handler.ts";

const tokens = bearerTokens({
  issuer: "https://id.example.com",
  audience: "chat",
  jwks: process.env.JWKS ?? "nowhere.json",
  query: "token",
  claims: v.object({ role: v.picklist(["player", "admin"]) }),
});

export default defineHandler({
  path: "/token/:how",
  message: type<{ token: string } | { text: string }>(),
  state: type<{ role: string }>({ role: "none" }),
  async onUpgrade(request) {
    if (request.params.how === "message") return admitFor(Number(request.query.get("ms") ?? 60_000));
    const { user, expiresAt, claims } = await tokens.check(request);
    if (request.params.how === "throws") throw new Error("after all");
    return { user, expiresAt, state: { role: claims.role } };
  },
  onOpen(conn) {
    conn.send({ user: conn.user ?? null, role: conn.state.role });
  },
  async onMessage(conn, message) {
    if ("token" in message) {
      const { user, claims } = await identify(conn, tokens.verify(message.token));
      conn.setState({ role: claims.role });
      conn.send({ user, role: claims.role });
    } else conn.send({ from: userOf(conn), role: conn.state.role, text: message.text });
  },
  onExpire(conn) {
    conn.send({ expired: userOf(conn) });
  },
});

// A token of an issuer whose keys are in a file.

import { bearerTokens } from "../../../worker/auth/tokens.ts";
import { defineHandler } from "../../../worker/handler.ts";

const tokens = bearerTokens({
  issuer: "https://id.example.com",
  audience: "chat",
  jwks: process.env.JWKS_FILE ?? "nowhere.json",
  query: "token",
});

export default defineHandler({
  path: "/file",
  async onUpgrade(request) {
    const { user, expiresAt } = await tokens.check(request);
    return { user, expiresAt };
  },
  onOpen(conn) {
    conn.send({ user: conn.user });
  },
});

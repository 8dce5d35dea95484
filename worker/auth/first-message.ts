// A token in a message: the first one, of a client whose upgrade says nothing of it, and later ones, when the first has expired.
//
//   onUpgrade: () => admitFor(10_000),                  // so long may the first message take
//   async onMessage(conn, message) {
//     if ("token" in message) await identify(conn, tokens.verify(message.token));
//     else conn.publish("chat", { from: userOf(conn), text: message.text });       // 4401 before the token
//   },
//   onExpire(conn) { conn.send({ expired: userOf(conn) }); },                       // 4401 if none came

import type { Connection, Welcome } from "../handler.ts";
import { type Identity, refused } from "./identity.ts";

/** Lets a client in that nobody knows yet. @param deadlineMs How long it may take to show who it is, from now on. */
export function admitFor(deadlineMs: number): Pick<Welcome, "expiresAt"> {
  return { expiresAt: new Date(Date.now() + deadlineMs) };
}

/**
 * The client has shown something: from now on it has that user, and that end. What it shows later has to be of the same user.
 * @param checked What `verify` or `check` returned.
 * @throws {CodedError} "auth.refused", which closes with 4401 unless the handler's onError decides otherwise, and what `checked` rejects with.
 */
export async function identify<Claims>(
  conn: Pick<Connection, "user" | "setUser" | "setExpiresAt">,
  checked: Promise<Identity<Claims>>,
): Promise<Identity<Claims>> {
  const identity = await checked;
  if (conn.user === undefined) conn.setUser(identity.user);
  else if (conn.user !== identity.user) throw refused("it is of another user");
  conn.setExpiresAt(identity.expiresAt);
  return identity;
}

export { userOf } from "./identity.ts";

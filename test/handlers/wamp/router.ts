// A WAMP router with every way of letting clients in, and a few procedures of its own.

import { deriveKey, WampError, wamp } from "../../../worker/adapters/wamp/wamp.ts";

const salted = { secret: deriveKey("secret", "salt123", 100, 32), salt: "salt123", iterations: 100, keylen: 32 };

export default wamp({
  path: "/ws",
  realms: ["realm1"],
  authenticate: {
    anonymous: () => ({ authrole: "anonymous" }),
    cookie: ({ user }) => (user === undefined ? undefined : { authrole: "user" }),
    ticket: (_hello, ticket) => (ticket === "secret" ? { authrole: "user" } : undefined),
    wampcra: ({ authid }) => (authid === "salted" ? { ...salted, authrole: "user" } : { secret: "secret", authrole: "user" }),
  },
  onUpgrade: ({ cookies }) => ({ user: cookies.user }),
  procedures: {
    "com.server.connection": ({ conn }) => conn.id,
    "com.server.add": (_session, { args: [a, b] }) => Number(a) + Number(b),
    /** Hangs after its second step, until another worker has it. */
    async "com.server.steps"({ turn }, { progress }) {
      for (let step = 1; step <= 4; step++) {
        await progress({ step, pid: process.pid });
        if (step === 2 && !turn.redelivered) await new Promise<never>(() => {});
      }
      return process.pid;
    },
    "com.server.refuse": () => new WampError("com.server.error.refused", ["no"]),
  },
});

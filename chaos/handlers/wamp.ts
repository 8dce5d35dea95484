// The router of WAMP's clients, which call each other.

import { wamp } from "../../worker/adapters/wamp/wamp.ts";

export default wamp({
  path: "/wamp",
  realms: ["chaos"],
  procedures: { "chaos.connection": ({ conn }) => conn.id },
});

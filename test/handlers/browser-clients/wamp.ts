// A router: pages publish their numbers, and have them doubled.

import { wamp } from "../../../worker/adapters/wamp/wamp.ts";

export default wamp({
  path: "/wamp",
  realms: ["realm1"],
  authenticate: { anonymous: () => ({ authrole: "anonymous" }) },
  procedures: { "com.server.double": (_session, { args: [number] }) => Number(number) * 2 },
});

// A router that shares its realm with that of router.ts.

import { wamp } from "../../../worker/adapters/wamp/wamp.ts";

export default wamp({ path: "/shared", prefix: "/ws", realms: ["realm1"] });

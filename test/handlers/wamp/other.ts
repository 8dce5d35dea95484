// A router whose realm has the name of that of router.ts, and is another one.

import { wamp } from "../../../worker/adapters/wamp/wamp.ts";

export default wamp({ path: "/other", realms: ["realm1"] });

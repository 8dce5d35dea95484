import { wamp } from "../../worker/adapters/wamp/wamp.ts";

export default wamp({ path: "/ws", realms: ["realm1"] });

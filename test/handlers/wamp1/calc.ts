// What test/suites/autobahn-0.8.ts calls, subscribes to and is refused.

import { CallError, NotSubscribed, wamp1 } from "../../../worker/adapters/wamp1/wamp1.ts";

const calc = "http://example.com/calc#";

export default wamp1({
  path: "/wamp1",
  onCall(_session, { procedure, args }) {
    if (procedure === `${calc}add`) return (args as number[]).reduce((sum, value) => sum + value, 0);
    return new CallError(`${calc}error`, "there is only add", { asked: procedure });
  },
  onSubscribe(_session, topic) {
    if (topic.endsWith("secret")) throw new NotSubscribed();
  },
});

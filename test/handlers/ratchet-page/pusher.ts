import { CallError, wamp1 } from "../../../worker/adapters/wamp1/wamp1.ts";

export default wamp1({
  path: "/pusher",
  onCall(session, { procedure }) {
    session.close();
    return new CallError(procedure, "You are not allowed to make calls");
  },
  onPublish(session) {
    session.close();
  },
});

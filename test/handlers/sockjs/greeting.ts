// /echo itself: below it, echo.ts answers.

import { sockjsGreeting } from "../../../worker/adapters/sockjs/sockjs.ts";

export default sockjsGreeting("/echo");

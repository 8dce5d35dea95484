// reconnecting-websocket, as npm has it for browsers.

import { connect } from "./reconnecting.js";

connect(globalThis.ReconnectingWebSocket, "reconnecting-websocket");

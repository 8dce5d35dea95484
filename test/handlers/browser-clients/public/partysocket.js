// partysocket, as npm has it for browsers and bundlers.

import WebSocket from "./lib/partysocket.js";
import { connect } from "./reconnecting.js";

connect(WebSocket, "partysocket");

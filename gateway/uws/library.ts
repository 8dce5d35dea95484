// The one file that imports uWebSockets.js.

import uWS from "uWebSockets.js";

export default uWS;

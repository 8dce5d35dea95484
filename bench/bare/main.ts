// What the figures are ratios to: uWebSockets.js alone, which does what our handlers do, in one process, without NATS and
// workers. It tells its port over Node's channel, and ends when whoever has started it does.

import { loadLibrary, type us_socket } from "../../gateway/uws/library.ts";
import { burn } from "../handlers/_burn.ts";

interface Carrier {
  readonly topic: string;
}

/** As gateways have them by default, so that nothing is dropped that they would not drop. */
const limits = { maxPayloadLength: 1024 * 1024, maxBackpressure: 4 * 1024 * 1024 };
const host = "127.0.0.1";
const greeting = "open";

process.once("disconnect", () => process.exit());

const { uWS } = loadLibrary();
const app = uWS.App();
app
  .ws("/echo", {
    ...limits,
    message: (ws, message, isBinary) => void ws.send(message, isBinary),
  })
  .ws("/burn", {
    ...limits,
    message: (ws, message, isBinary) => {
      burn();
      ws.send(message, isBinary);
    },
  })
  .ws("/all", {
    ...limits,
    open: (ws) => {
      ws.subscribe("all");
      ws.send(greeting);
    },
    message: (_ws, message, isBinary) => void app.publish("all", message, isBinary),
  })
  .ws<Carrier>("/topic/:topic", {
    ...limits,
    upgrade: (response, request, context) => {
      const [key, protocol, extensions] = ["key", "protocol", "extensions"].map((name) => request.getHeader(`sec-websocket-${name}`));
      response.upgrade<Carrier>({ topic: request.getParameter(0) ?? "" }, key ?? "", protocol ?? "", extensions ?? "", context);
    },
    open: (ws) => {
      ws.subscribe(ws.getUserData().topic);
      ws.send(greeting);
    },
    message: (ws, message, isBinary) => void app.publish(ws.getUserData().topic, message, isBinary),
  })
  .listen(host, 0, (listening) => {
    if (listening === false) throw new Error(`cannot listen on ${host}`);
    process.send?.({ host, port: uWS.us_socket_local_port(listening as unknown as us_socket) });
  });

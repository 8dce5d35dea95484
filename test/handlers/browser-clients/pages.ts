// A page for each client library, which loads it as it comes from npm, under the policy that serveFiles has by default.

import { serveFiles } from "../../../worker/files.ts";
import { defineHandler } from "../../../worker/handler.ts";

/** By its path: a worker finds no package that only development needs. */
const packaged = (path: string) => new URL(`../../../node_modules/${path}`, import.meta.url).href;

const folder = new URL("public/", import.meta.url);
const more = {
  "icon.svg": new URL("../../../examples/demos/site/public/icon.svg", import.meta.url).href,
  "lib/socket.io.js": packaged("socket.io-client/dist/socket.io.js"),
  "lib/sockjs.js": packaged("sockjs-client/dist/sockjs.min.js"),
  "lib/autobahn.js": packaged("autobahn-browser/autobahn.min.js"),
  "lib/wampy.js": packaged("wampy/dist/browser/wampy.min.js"),
  "lib/partysocket.js": packaged("partysocket/dist/ws.js"),
  "lib/reconnecting-websocket.js": packaged("reconnecting-websocket/dist/reconnecting-websocket-iife.min.js"),
};
const usual = serveFiles(folder, { more });
/** For pages that connect to another origin than their own, which the usual policy refuses. */
const toElsewhere = serveFiles(folder, { more, csp: false });

export default defineHandler({
  path: "/pages/*",
  onRequest: (request, context) => (new URL(request.url).searchParams.has("server") ? toElsewhere : usual)(request, context),
});

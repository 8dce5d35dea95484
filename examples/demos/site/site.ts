// What the pages of the demos share: their looks, the line about the connection, and two libraries as npm has them.

import { serveFiles } from "../../../worker/files.ts";
import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/site/*",
  onRequest: serveFiles(new URL("public/", import.meta.url), {
    more: {
      "partysocket.js": import.meta.resolve("partysocket/ws"),
      "uPlot.js": import.meta.resolve("uplot/dist/uPlot.iife.min.js"),
      "uPlot.css": import.meta.resolve("uplot/dist/uPlot.min.css"),
    },
  }),
});

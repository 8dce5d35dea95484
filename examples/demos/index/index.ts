// The first page of the site: what thinstate is for, and the way to each demo.

import { serveFiles } from "../../../worker/files.ts";
import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/",
  onRequest: serveFiles(new URL("public/", import.meta.url)),
});

// Plain HTTP alone.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({ path: "/plain", onRequest: () => new Response("plain") });

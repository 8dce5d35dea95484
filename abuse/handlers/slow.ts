// Who may come in is found out slowly: a database that is busy.

import { setTimeout as pause } from "node:timers/promises";
import { defineHandler } from "../../worker/handler.ts";

const slowMs = 5_000;

export default defineHandler({
  path: "/slow",
  onUpgrade: () => pause(slowMs, {}),
});

// Strangers against limits of ours: how many there may be, how often they may come, and what they may send.

import { test } from "vitest";
import { expectBounded } from "./abuse-run.ts";

test.each([[["sockets", "silent", "queries"]], [["flood", "pings", "errors", "refusals"]]])(
  "strangers are bounded, and a client beside them loses nothing: %s",
  expectBounded,
);

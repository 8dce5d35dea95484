// Random input from what only looks like one of our processes, and for the decoders alone.

import { test } from "vitest";
import { targets } from "../fuzz/targets/list.ts";
import { expectSurvival, fromClients } from "./fuzz-run.ts";

const chosen = targets.map(({ name }) => name).filter((name) => !fromClients.includes(name));

test("whatever arrives, every process lives, others are answered, and memory does not grow", () => expectSurvival(chosen, 45));

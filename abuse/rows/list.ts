import type { Abuse } from "../abuse.ts";
import { bodies } from "./bodies.ts";
import { deaf } from "./deaf.ts";
import { errors } from "./errors.ts";
import { flood } from "./flood.ts";
import { unfinished } from "./fragments.ts";
import { pings } from "./pings.ts";
import { queries } from "./queries.ts";
import { refusals } from "./refusals.ts";
import { silent } from "./silent.ts";
import { sockets } from "./sockets.ts";
import { topics } from "./topics.ts";
import { upgrades } from "./upgrades.ts";

export const abuses: readonly Abuse[] = [
  bodies,
  sockets,
  silent,
  unfinished,
  deaf,
  queries,
  upgrades,
  topics,
  flood,
  pings,
  errors,
  refusals,
];

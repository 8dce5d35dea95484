// Strangers in a process of their own: which abuse and where is the argument; how it ended goes over Node's channel.

import { constants, setPriority } from "node:os";
import { Attack } from "./attack.ts";
import type { Order, Outcome } from "./order.ts";
import { abuses } from "./rows/list.ts";

// Whoever has started it has ended.
process.once("disconnect", () => process.exit());
// Strangers are on other machines: their own work must not take the gateway's cores.
setPriority(constants.priority.PRIORITY_LOW);

const order = JSON.parse(process.argv[2] ?? "") as Order;
const abuse = abuses.find(({ name }) => name === order.abuse);
if (abuse === undefined) throw new Error(`there is no abuse "${order.abuse}"`);
const attack = new Attack({ ...order, until: abuse.shows });
await abuse.strike(attack);
process.send?.({ endings: attack.end(), seconds: attack.lastedSeconds } satisfies Outcome);

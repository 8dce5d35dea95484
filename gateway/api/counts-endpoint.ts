// The endpoint that tells how much there is: all gateways are asked.

import * as v from "valibot";
import type { ResultBody } from "../../protocol/commands.ts";
import type { GatewayCommand } from "../../protocol/gateway-questions.ts";
import { jsonAnswer } from "./api-error.ts";
import type { Endpoint } from "./endpoint.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const counts = v.object({
  connections: v.pipe(count, v.description("On all gateways together")),
  gateways: v.array(
    v.object({
      gateway: v.string(),
      connections: count,
      topics: v.pipe(count, v.description("That connections of this gateway subscribe to: those of several gateways may be the same")),
    }),
  ),
});

export type Counts = v.InferOutput<typeof counts>;

export const countsEndpoint: Endpoint = {
  name: "counts",
  method: "GET",
  path: "/counts",
  summary: "How many connections there are, and how many topics each gateway has",
  bodies: {},
  success: { status: 200, text: "Of all gateways, in the order of their ids", schema: counts },
  errors: ["nats.away", "api.unanswered", "api.busy", "gateway.outdated"],
  asksAll: true,
  run: (_, actions) => actions.counts().then((told) => jsonAnswer(200, told)),
};

interface Gateways {
  /** What each says, by id. */
  ask(command: GatewayCommand): Promise<ReadonlyMap<string, ResultBody>>;
}

/** Rejects as `ask` does. */
export async function countsOf(all: Gateways): Promise<Counts> {
  const told = await all.ask({ kind: "counts" });
  const gateways = [...told].flatMap(([gateway, result]) =>
    typeof result === "object" && "topics" in result ? { gateway, connections: result.connections, topics: result.topics } : [],
  );
  gateways.sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
  return { connections: gateways.reduce((sum, { connections }) => sum + connections, 0), gateways };
}

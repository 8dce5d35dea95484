// Before an activation: could the new release adopt what is open now? One of its workers tries, and nobody is closed for it.

import type { StateCheck } from "../protocol/membership.ts";
import type { Members } from "./members.ts";
import type { DeployPool } from "./switch-over.ts";

/**
 * @returns why it could not, for people; undefined: it could.
 * @throws the signal's reason.
 */
export async function reasonInStates(
  members: Members,
  pool: DeployPool,
  { command, timeoutMs, signal }: { readonly command: string; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const hello = pool.hellos.find(({ stateCheck }) => stateCheck !== undefined);
  // A release of a version that cannot: it finds out when it adopts them.
  if (hello?.stateCheck === undefined) return undefined;
  const number = hello.stateCheck.number + 1;
  const report = (): StateCheck | undefined => {
    const found = members.workers.find(({ id }) => id === hello.id)?.stateCheck;
    return found?.number === number && found.isDone ? found : undefined;
  };
  // Gateways of an earlier version tell nothing: what they keep is found out when it is adopted.
  const asked = () => members.gateways.flatMap(({ id, tellsStates }) => (tellsStates ? [id] : []));
  const ask = () => ({ kind: "checkStates", worker: hello.id, number, gateways: asked() }) as const;
  await members.within(timeoutMs, () => report() !== undefined, { signal, ask });
  const found = report();
  if (found !== undefined) return found.unfit.length === 0 ? undefined : unfitText(found, command);
  return `the states of open connections could not be tried within ${timeoutMs / 1000} s: is the machine busy? npm run ${command} -- --force goes without`;
}

function advice(command: string): string {
  return command === "rollback-worker"
    ? "They have opened under a newer release, or that has set them: rather deploy a newer one."
    : "A migrate in the handler makes an older state fit.";
}

/** For people. */
function unfitText({ tried, unfit }: StateCheck, command: string): string {
  const connections = unfit.reduce((sum, { connections: count }) => sum + count, 0);
  const rows = unfit.map(({ route, message, connections: count }) => `  ${route}  ${message} (${count})`);
  return [
    `the states of ${connections} of ${tried} open connections do not fit the release:`,
    ...rows,
    `${advice(command)} npm run ${command} -- --force closes these connections`,
  ].join("\n");
}

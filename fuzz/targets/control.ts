// What commands say to the supervisor over its socket. A whole deploy or rollback is left out: that is an operator's right.

import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { findControlSocket } from "../../supervisor/control-socket.ts";
import { target } from "../target.ts";

const value = fc.jsonValue({ maxDepth: 3 });
const who = fc.oneof(fc.record({ pid: fc.integer(), user: fc.string() }), value);

const line = fc.oneof(
  fc.constant('{"request":"status"}'),
  // Without one of what they need.
  fc
    .record({ request: fc.constantFrom("deploy", "rollback"), force: value, workers: value, who }, { requiredKeys: ["request"] })
    .filter(({ request, workers }) => request === "rollback" || typeof workers !== "number")
    .map((body) => JSON.stringify(body)),
  fc.record({ request: fc.oneof(fc.string(), value), any: value }).map((body) => JSON.stringify(body)),
  value.map((any) => JSON.stringify(any)),
  fc.string({ maxLength: 500, unit: "binary" }),
  fc.constantFrom("", "[".repeat(20_000), '{"__proto__":{"request":"status"}}', `"${"x".repeat(60_000)}"`),
);

export const control = target({
  name: "control",
  title: "the supervisor's control socket",
  cases: 50,
  arbitrary: fc.record({
    lines: fc.array(line, { minLength: 1, maxLength: 3 }),
    end: fc.constantFrom("\n", "\r\n", ""),
    /** Goes before it is answered. */
    leaves: fc.boolean(),
  }),
  strike: async ({ installation }, { lines, end, leaves }) => {
    const socket = connect(findControlSocket(installation.cacheFolder) ?? "");
    socket.on("error", () => undefined);
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    await once(socket, "connect");
    const closed = once(socket, "close");
    await new Promise<void>((resolve) => socket.write(`${lines.join("\n")}${end}`, () => resolve()));
    if (leaves) socket.destroy();
    else socket.end();
    await closed;
    for (const told of answer.split("\n").filter((text) => text !== "")) JSON.parse(told);
    await installation.status();
  },
});

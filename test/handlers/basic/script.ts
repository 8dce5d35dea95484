// Does what a message tells it, so that a test can ask for any effect in any order. Reports its open and its close to a topic.

import { setTimeout as pause } from "node:timers/promises";
import { type Connection, defineHandler, type Turn, type } from "../../../worker/handler.ts";

interface State {
  readonly count: number;
  readonly padding?: string;
}

export type Step =
  | { do: "send"; data: string | number | object }
  | { do: "publish"; topic: string; data: string; self?: boolean; except?: string[] }
  | { do: "subscribe"; topic: string; as?: unknown }
  | { do: "unsubscribe"; topic: string }
  | { do: "members"; topic: string; by?: "user" }
  | { do: "count" }
  | { do: "pad"; bytes: number }
  | { do: "tell" }
  | { do: "close"; code: number; reason: string }
  | { do: "pause"; ms: number }
  | { do: "flush" }
  | { do: "throw"; text: string }
  | { do: "exit" }
  | { do: "spin" }
  | { do: "send later" }
  | { do: "mutate" };

async function run(conn: Connection<object, State>, steps: readonly Step[], turn: Turn): Promise<void> {
  for (const step of steps) {
    if (step.do === "send") conn.send(step.data);
    if (step.do === "publish") conn.publish(step.topic, step.data, { self: step.self ?? false, except: step.except ?? [] });
    if (step.do === "subscribe") conn.subscribe(step.topic, { as: step.as });
    if (step.do === "members") conn.send({ members: await conn.members(step.topic, step.by && { by: step.by }) });
    if (step.do === "unsubscribe") conn.unsubscribe(step.topic);
    if (step.do === "count") conn.setState({ ...conn.state, count: conn.state.count + 1 });
    if (step.do === "pad") conn.setState({ ...conn.state, padding: "x".repeat(step.bytes) });
    if (step.do === "tell") {
      const { id, redelivered, flushed, release } = turn;
      conn.send({ id: conn.id, turn: id, redelivered, flushed, release, count: conn.state.count, topics: [...conn.topics], ip: conn.ip });
    }
    if (step.do === "close") conn.close(step.code, step.reason);
    if (step.do === "pause") await pause(step.ms, undefined, { signal: turn.signal });
    if (step.do === "flush") await conn.flush();
    if (step.do === "throw") throw new Error(step.text);
    if (step.do === "exit") process.exit(13);
    if (step.do === "spin") for (;;);
    if (step.do === "send later") setImmediate(() => conn.send("too late"));
    if (step.do === "mutate") (conn.state as { count: number }).count = 99;
  }
}

export default defineHandler({
  path: "/script/:room",
  state: type<State>({ count: 0 }),
  message: type<Step[]>(),
  onOpen(conn) {
    conn.publish(`journal:${conn.params.room}`, { open: conn.id });
  },
  onMessage: run,
  onClose(conn, { code, reason }) {
    conn.publish(`journal:${conn.params.room}`, { close: conn.id, code, reason, count: conn.state.count });
  },
  onError(conn, error) {
    conn.send({ error: error.code, message: error.message });
  },
});

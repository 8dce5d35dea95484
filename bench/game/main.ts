// The load of the row game: players who move as people do, in JSON as the page has it, and hear all others. Each move is timed from its
// sending to each other player.

import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { type RawData, WebSocket } from "ws";
import type { Failure } from "../../testbed/node-process.ts";
import { Sequence } from "../../testbed/sequence.ts";
import { type Faults, noFaults } from "../load/faults.ts";
import type { Latency } from "../load/job.ts";
import { Meter, stampNow } from "../load/meter.ts";

export interface GameFigures {
  readonly latency: Latency;
  /** Of one core, taken by this load. */
  readonly loadShare: number;
  readonly faults: Faults;
}

const players = 20;
const movesPerSecond = 30;
/** Code gets compiled: see bench/rows/echo.ts. */
const warmUpMs = 10_000;
const measuredMs = 10_000;
/** What has not come by then is lost. */
const patienceMs = 10_000;
const tickMs = 1;

interface Told {
  readonly hello?: { readonly id: string };
  readonly id?: string;
  readonly n?: number;
}

class Player {
  readonly socket: WebSocket;
  /** When each move was sent. */
  readonly stamps: number[] = [];
  /** What was heard of the others, by their ids. */
  readonly heard = new Map<string, Sequence>();
  id = "";

  constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
  }

  /** Crosses about five tiles a second. */
  move(index: number): void {
    const seconds = performance.now() / 1000;
    const swing = (perSecond: number) => Number((0.5 + 0.49 * Math.sin(seconds * perSecond + index)).toFixed(4));
    const move = { type: "move", n: this.stamps.length, x: swing(0.5), y: swing(0.6) };
    this.stamps.push(stampNow());
    this.socket.send(JSON.stringify(move));
  }
}

const [host = "", port = ""] = process.argv.slice(2);
const meter = new Meter();
const byId = new Map<string, Player>();

async function open(index: number): Promise<Player> {
  const player = new Player(`ws://${host}:${port}/demos/game/field?name=player-${index}`);
  const [first] = (await once(player.socket, "message")) as [RawData];
  player.id = (JSON.parse(String(first)) as Told).hello?.id ?? "";
  byId.set(player.id, player);
  player.socket.on("message", (data) => hear(player, JSON.parse(String(data)) as Told));
  player.socket.on("close", () => meter.disconnected++);
  return player;
}

function hear(player: Player, { id, n }: Told): void {
  if (id === undefined || n === undefined) return;
  const stamp = byId.get(id)?.stamps[n];
  const sequence = player.heard.get(id);
  if (stamp === undefined || sequence === undefined) return void meter.malformed++;
  meter.messages++;
  sequence.take(n);
  meter.time(stamp);
}

/** Evenly over players and time. @returns what ends it. */
function begin(all: readonly Player[]): () => void {
  const startedAt = performance.now();
  let moves = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * movesPerSecond * players);
    for (; moves < due; moves++) all[moves % players]?.move(moves % players);
  }, tickMs);
  return () => clearInterval(timer);
}

function faultsOf(all: readonly Player[]): Faults {
  const { malformed, disconnected } = meter;
  const faults = { ...noFaults, malformed, disconnected };
  for (const { heard } of all) {
    for (const [id, sequence] of heard) {
      faults.lost += sequence.lost((byId.get(id)?.stamps.length ?? 0) - 1);
      faults.doubled += sequence.doubled;
      faults.reordered += sequence.reordered;
    }
  }
  return faults;
}

async function measure(): Promise<GameFigures> {
  const all: Player[] = [];
  for (let index = 0; index < players; index++) all.push(await open(index));
  for (const { heard, id } of all) for (const other of all) if (other.id !== id) heard.set(other.id, new Sequence(0));
  const end = begin(all);
  await pause(warmUpMs);
  meter.forgetLatencies();
  const before = { at: performance.now(), cpu: process.cpuUsage() };
  await pause(measuredMs);
  const { latency } = meter;
  const { user, system } = process.cpuUsage(before.cpu);
  const seconds = (performance.now() - before.at) / 1000;
  end();
  for (const deadline = Date.now() + patienceMs; faultsOf(all).lost > 0 && Date.now() < deadline; ) await pause(10);
  return { latency, loadShare: (user + system) / 1e6 / seconds, faults: faultsOf(all) };
}

process.once("disconnect", () => process.exit());
process.send?.(await measure().catch((error: Error): Failure => ({ failed: error.message })));
for (const { socket } of byId.values()) socket.terminate();
process.disconnect();

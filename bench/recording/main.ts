// Records a deploy for the README: npx tsx bench/recording/main.ts writes docs/deploy.svg. A fresh checkout of the last commit runs
// as `npm start` runs it, clients talk to its echo handler, the handler is changed, and `npm run deploy-worker` runs on a terminal.
// The figures are those of this machine: let it do nothing else meanwhile.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { clone } from "../../scripts/setup/cache.mjs";
import { Installation } from "../../testbed/installation.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { Running } from "../running.ts";
import { Worktree } from "../worktree.ts";
import { Crowd, type Tally } from "./crowd.ts";
import { handlersDir, writeHandler } from "./echo-handler.ts";
import { pictureOf, type Recording } from "./picture.ts";
import { withShortWaits } from "./playback.ts";
import { Terminal } from "./terminal.ts";

const clients = 120;
const pauseMs = 300;
const columns = 64;
/** V8 has compiled what it will, and connections are spread over the workers. */
const warmUpMs = 5_000;
/** What the picture shows before the command is typed, and after its end. */
const leadMs = 1_500;
const restMs = 3_000;
const tallyMs = 250;
/** Of what the picture shows: the checks of a deploy take some seconds. */
const longestWaitMs = 2_000;
const target = "docs/deploy.svg";

const running = new Running();
await running.whole(() =>
  running.use(Worktree.checkOut("HEAD"), async (worktree) => {
    const setting = {
      name: "recording",
      shape: { workers: 2, gateways: 1, nats: "supervised" },
      handlersDir,
      clone: worktree.clone,
    } as const;
    writeHandler(worktree.clone, "old");
    await running.use(Installation.start(setting), async (installation) => {
      const recording = await record(installation, worktree.clone);
      writeFileSync(join(clone, target), pictureOf(withShortWaits(recording, longestWaitMs)));
      process.stdout.write(`written: ${target}\n`);
    });
  }),
);

/** @throws where the deploy fails, or a client does not see the new code. */
async function record(installation: Installation, checkout: string): Promise<Recording> {
  let startedAt = performance.now();
  const now = () => performance.now() - startedAt;
  const crowd = await Crowd.connect({ url: `${installation.url}/echo`, clients, now });
  crowd.begin(pauseMs);
  await pause(warmUpMs);
  startedAt = performance.now();
  const answeredBefore = crowd.tally.answered;
  const tallies: (Tally & { readonly atMs: number })[] = [];
  const count = () => {
    const { answered, ...faults } = crowd.tally;
    tallies.push({ atMs: now(), answered: answered - answeredBefore, ...faults });
  };
  count();
  const counting = setInterval(count, tallyMs);
  const terminal = new Terminal();
  terminal.write("$ ", 0);
  writeHandler(checkout, "new");
  await pause(leadMs);
  terminal.write("npm run deploy-worker\r\n", now());
  const exitCode = await onTerminal("npm run -s deploy-worker", {
    cwd: checkout,
    env: installation.env,
    onText: (text) => terminal.write(text, now()),
  });
  await pause(restMs);
  crowd.end();
  for (const deadline = Date.now() + patienceMs; !crowd.isAnswered && Date.now() < deadline; ) await pause(10);
  clearInterval(counting);
  count();
  crowd.close();
  const movedAtMs = crowd.clients.map(({ firstAnswers }) => firstAnswers.get("new") ?? Number.NaN);
  const rows = terminal.wrapped(columns);
  if (exitCode !== 0 || movedAtMs.some(Number.isNaN)) {
    throw new Error(`the deploy ended with exit code ${exitCode}:\n${JSON.stringify(rows)}\n${installation.lines.slice(-20).join("\n")}`);
  }
  return { pauseMs, lengthMs: Math.ceil(now()), movedAtMs, tallies, rows };
}

interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onText: (text: string) => void;
}

/** Runs a command on a terminal of its own, as util-linux' script(1) makes one. @returns its exit code. */
function onTerminal(command: string, { cwd, env, onText }: TerminalOptions): Promise<number | null> {
  const child = spawn("script", ["-qfec", `stty cols ${columns}; ${command}`, "/dev/null"], {
    cwd,
    env: { ...env, TERM: "xterm-256color" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let begun = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the start of a control sequence, whose rest comes later.
    const [whole = "", rest = ""] = (begun + chunk).split(/(\x1b[^A-Za-z]*$)/);
    begun = rest;
    onText(whole);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
}

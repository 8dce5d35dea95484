// The first thing that every npm script runs: plain JavaScript, since nothing may be installed yet. It sets the clone up,
// then hands over to the TypeScript command. The supervisor itself is in supervisor/.

const commands = {
  start: "start nats-server, gateways and workers, and keep them running",
  dev: "like start, and a saved handler is live at once",
  "deploy-worker": "deploy the working tree; clients stay connected",
  "rollback-worker": "go back to the previous release, or to another one that is kept",
  "new-handler": "copy a demo, as a beginning for a handler of yours",
  "api-key": "add, list and revoke the keys of the HTTP API",
  status: "show gateways, workers and releases of the running server",
  "install-service": "set thinstate up as systemd services",
  "uninstall-service": "remove the systemd services",
  test: "run the checks and every test",
  "test:unit": "run the tests that need no other program",
  "test:watch": "the same, again at each save",
  bench: "measure the speed against a bare uWebSockets.js server",
  chaos: "kill each part under load, and count what is lost",
  abuse: "do what strangers may try, and see what others notice",
  fuzz: "send random bytes everywhere, and see who survives",
  check: "check format, lint, import rules and types",
};

/**
 * Commands that only root may run: said before anything else is done.
 * @type {Record<string, string>}
 */
const forRoot = { "install-service": "install", "uninstall-service": "remove" };

/**
 * What root runs of a clone that need not be root's: packages may then run no scripts of their own while they are installed.
 */
const forServices = ["install-service", "uninstall-service", "deploy-worker", "rollback-worker", "api-key", "status"];

/** Those that serve: they say what people should know of this machine. */
const withAdvice = ["start", "dev"];

const leastNodeMajor = 20;

const tests = ["test", "test:unit", "test:watch"];

/** They hold connections, or measure what does. */
const withWebSockets = ["start", "dev", ...tests, "bench", "install-service"];

/** @param {string[]} argv */
async function main(argv) {
  const nodeMajor = Number(process.versions.node.split(".")[0]);
  if (nodeMajor < leastNodeMajor) {
    return fail(`thinstate needs Node 24, this is Node ${process.versions.node} (${process.execPath}).`);
  }
  const [command, rest] = argv[0] === undefined || argv[0].startsWith("-") ? ["start", argv] : [argv[0], argv.slice(1)];
  if (!Object.hasOwn(commands, command)) return fail(`"${command}" is not a command.\n\n${commandList()}`, 2);

  if (command in forRoot && process.getuid?.() !== 0 && !rest.includes("--help")) {
    return fail(`Only root may ${forRoot[command]} services. Run: sudo npm run ${command}`);
  }

  // Imported only now: what an old Node cannot parse must not hide the message above.
  const { SetupError, setUp } = await import("./setup/setup.mjs");
  try {
    const advice = await setUp({
      needsWebSockets: withWebSockets.includes(command),
      withDevelopment: [...tests, "check", "bench", "chaos", "abuse", "fuzz"].includes(command),
      withScripts: process.getuid?.() !== 0 || !forServices.includes(command),
    });
    if (advice !== undefined && withAdvice.includes(command)) process.stderr.write(`${advice}\n`);
  } catch (error) {
    if (error instanceof SetupError) return fail(error.message);
    throw error;
  }
  await import("../process/typescript.mjs");
  const { run } = await import(`./${command.replace(":", "-")}.ts`);
  process.exitCode = await run(rest);
}

function commandList() {
  const lines = Object.entries(commands).map(([name, text]) => `  ${name.padEnd(16)} ${text}`);
  return `Commands (npm run <command>, each takes -- --help):\n${lines.join("\n")}`;
}

/** @param {string} text */
function fail(text, exitCode = 1) {
  process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
}

await main(process.argv.slice(2));

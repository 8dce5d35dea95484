// thinstate in production, on a real systemd (Debian 12): installed, under load through everything that a deploy, an operator or
// a crash may do to it, and removed. One machine serves all of it, in this order.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Load } from "../../chaos/load.ts";
import { tally } from "../../chaos/tally.ts";
import { hasAutogroups } from "../autogroup.ts";
import { hasOpenssl, writeCertificate } from "../certificate.ts";
import { whySkipped } from "./image.ts";
import { Installed, sinceNow, until } from "./installed.ts";
import type { Machine } from "./machine.ts";
import { Reconnecting } from "./reconnecting.ts";

const connections = 100;
/** While something changes; and while it is only prepared, or waited for: a release is copied, checked and tried for many seconds. */
const [busyRate, calmRate] = [5_000, 500];
const handler = "chaos/handlers/sequence.ts";
const settings = "/etc/thinstate/thinstate.env";
/** Longer than a client may be away: connecting takes milliseconds. */
const awayMs = 2_000;

const missing = whySkipped();

describe.skipIf(missing !== undefined)(`Debian 12${missing === undefined ? "" : ` (${missing})`}`, () => {
  let installed: Installed;
  let machine: Machine;

  beforeAll(async () => {
    installed = await Installed.boot("bookworm");
    machine = installed.machine;
  });

  afterAll(() => installed?.stop());

  /** By one clear line, where somebody else than root runs it. */
  async function isRefused(script: string): Promise<void> {
    const nobody = ["setpriv", "--reuid=nobody", "--clear-groups"] as const;
    const { exitCode, stdout, stderr } = await machine.try(...nobody, "node", "scripts/start.mjs", script);
    expect({ script, exitCode, stdout }).toEqual({ script, exitCode: 1, stdout: "" });
    expect(stderr.replace(/^For npm start.*\n/m, "")).toMatch(new RegExp(`^.*: sudo npm run ${script}\n$`));
  }

  test("whoever is not root is told what to type, and nothing else happens", async () => {
    for (const script of ["install-service", "uninstall-service"]) await isRefused(script);
  });

  test("npm run install-service sets everything up, and what it has set up serves", () => installed.install());

  test("what is secret is root's alone, also where it was made by hand, and stays what it is", async () => {
    const modes = (...files: string[]) => machine.run("stat", "--format=%a %U:%G", ...files);
    const own = "/etc/thinstate/worker.env";
    expect(await modes(settings, own)).toBe("640 root:thinstate\n600 root:root\n");
    expect(await machine.run("cat", own)).toMatch(/^(#.*\n|\n)+$/);
    await machine.write(own, "PASSWORD=secret\n");
    // As certbot makes them, and as an editor does.
    const [key, cert] = ["/etc/thinstate/tls/key.pem", "/etc/thinstate/tls/cert.pem"];
    await machine.run("install", "--mode=600", "--group=root", "/dev/null", key);
    await machine.run("install", "--mode=644", "--group=root", "/dev/null", cert);
    await machine.run("chmod", "644", settings, own);
    expect(await machine.npm("install-service")).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`${own} could be read`) });
    expect(await modes(settings, own)).toBe("640 root:thinstate\n600 root:root\n");
    expect(await machine.run("cat", own)).toBe("PASSWORD=secret\n");
    expect(await modes(key, cert)).toBe("640 root:thinstate-gateway\n640 root:thinstate-gateway\n");
    await machine.run("rm", key, cert);
  });

  test.runIf(hasOpenssl)("a certificate that gateways may not read is refused, with where it belongs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "thinstate-certificate-"));
    const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    writeCertificate("localhost", files);
    for (const [name, file] of Object.entries(files)) await machine.write(`/root/${name}.pem`, readFileSync(file, "utf8"));
    rmSync(folder, { recursive: true });
    const environment = ["TLS_CERT_FILE=/root/cert.pem", "TLS_KEY_FILE=/root/key.pem"];
    const { exitCode, stderr } = await machine.try("env", ...environment, "node", "scripts/start.mjs", "install-service");
    await machine.run("rm", "/root/cert.pem", "/root/key.pem");
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("gateways may not read TLS_CERT_FILE=/root/cert.pem: copy it into /etc/thinstate/tls"),
    });
  });

  test("Node in a home of root, as nvm has it, is copied", async () => {
    await machine.run("sh", "-c", "mkdir -p /root/.nvm && cp /usr/local/bin/node /root/.nvm/node");
    expect(await machine.try("/root/.nvm/node", "scripts/start.mjs", "install-service")).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining("copied from /root/.nvm/node, which services may not enter"),
    });
    await machine.run("rm", "-r", "/root/.nvm");
    expect(await machine.run("readlink", "--canonicalize", "/opt/thinstate/bin/node")).toBe("/opt/thinstate/bin/node\n");
  });

  test("a second run changes nothing", async () => {
    const text = await machine.run("cat", settings);
    const pids = await installed.gatewayPids();
    const { exitCode, stdout, stderr } = await machine.npm("install-service");
    expect(exitCode, stderr).toBe(0);
    expect(stdout).not.toContain("systemctl restart");
    expect(await machine.run("cat", settings)).toBe(text);
    expect(await installed.gatewayPids()).toEqual(pids);
  });

  test("no sandbox is rated worse than it was", async () => {
    const [nats, gateway, worker] = await Promise.all((await installed.kinds()).map((unit) => installed.exposure(unit)));
    expect(nats).toBeLessThanOrEqual(1.1);
    expect(gateway).toBeLessThanOrEqual(1.6);
    expect(worker).toBeLessThanOrEqual(1.3);
  });

  test("what everybody may read holds no secret", async () => {
    const folders = ["/etc/thinstate", "/run/thinstate", "/var/lib/thinstate"];
    // As somebody who has no more than that.
    const nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] as const;
    const { stdout } = await machine.try(...nobody, "find", ...folders, "-type", "f", "-readable", "-printf", "%p\\n");
    expect(stdout.trim().split("\n").sort()).toEqual(["/etc/thinstate/nats-server.conf", "/var/lib/thinstate/activation.json"]);
    expect(await machine.run("cat", "/etc/thinstate/nats-server.conf")).not.toMatch(/SU[A-Z2-7]{56}|password/);
    const writable = await machine.try(...nobody, "find", ...folders, "-writable", "!", "-type", "l");
    expect(writable.stdout).toBe("");
  });

  test("handlers are tried as workers run: in their sandbox, with their environment and no more", async () => {
    const trying = `import { writeFileSync } from "node:fs";
const may = (file: string) => { try { writeFileSync(file, ""); return true; } catch { return false; } };
const files = ["/var/lib/thinstate/shared/a", "/tmp/thinstate-a", "/var/tmp/thinstate-a", "/srv/app/a", "/root/a"].filter(may);
const { ROOTS, PASSWORD, NATS_CREDENTIALS_FILE, NODE_ENV } = process.env;
throw new Error(JSON.stringify([process.getuid?.() === 0, files, { ROOTS, PASSWORD, NATS_CREDENTIALS_FILE, NODE_ENV }]));`;
    await machine.write("chaos/handlers/trying.ts", trying);
    const { exitCode, stdout } = await machine.try("env", "ROOTS=secret", "node", "scripts/start.mjs", "deploy-worker", "--json");
    await machine.run("rm", "chaos/handlers/trying.ts");
    const { problems } = JSON.parse(stdout) as { problems: { file: string; text: string }[] };
    expect({ exitCode, file: problems[0]?.file }).toEqual({ exitCode: 1, file: "chaos/handlers/trying.ts" });
    const said = JSON.parse(/\[.*\]/.exec(problems[0]?.text ?? "")?.[0] ?? "null") as unknown;
    const writable = ["/var/lib/thinstate/shared/a", "/tmp/thinstate-a", "/var/tmp/thinstate-a"];
    expect(said).toEqual([false, writable, { PASSWORD: "secret", NODE_ENV: "production" }]);
    expect(await machine.try("ls", "/tmp/thinstate-a")).not.toMatchObject({ exitCode: 0 });
    await machine.run("rm", "/var/lib/thinstate/shared/a");
  });

  test("an administrator's changes to the workers' sandbox hold for the trial, too; what cannot hold refuses the deploy", async () => {
    const folder = "/etc/systemd/system/thinstate-worker@.service.d";
    onTestFinished(async () => {
      await machine.run("rm", "-f", `${folder}/tighter.conf`, "chaos/handlers/trying.ts");
      await machine.run("systemctl", "daemon-reload");
    });
    const problemsWith = async (settings: string) => {
      await machine.write(`${folder}/tighter.conf`, `[Service]\n${settings}\n`);
      await machine.run("systemctl", "daemon-reload");
      const { exitCode, stdout } = await machine.npm("deploy-worker", "--json");
      expect(exitCode).toBe(1);
      return (JSON.parse(stdout) as { problems: { file: string; text: string }[] }).problems;
    };
    const trying = `import { readFileSync } from "node:fs";
throw new Error(/^Cpus_allowed_list:.*/m.exec(readFileSync("/proc/self/status", "utf8"))?.[0]);`;
    await machine.write("chaos/handlers/trying.ts", trying);
    expect(await problemsWith("DevicePolicy = closed\nKeyringMode=private\nCPUAffinity = 0")).toEqual([
      expect.objectContaining({ file: "chaos/handlers/trying.ts", text: expect.stringMatching(/Cpus_allowed_list:\s+0$/) }),
    ]);
    await machine.run("rm", "chaos/handlers/trying.ts");
    const refused = (text: string) => [{ file: "thinstate-worker@.service", text: expect.stringContaining(text) }];
    expect(await problemsWith("LimitNOFILE=many")).toEqual(refused("handlers cannot be tried as workers run: "));
    expect(await problemsWith("RootDirectory=/nowhere")).toEqual(refused("Failed at step NAMESPACE"));
    expect(await problemsWith("InaccessiblePaths=/srv/%i")).toEqual(refused("InaccessiblePaths=/srv/%i"));
  });

  test("handlers that loop for ever while they load are ended, and so are those whose deploy is killed", async () => {
    const trials = async () => (await machine.run("systemctl", "list-units", "--plain", "--no-legend", "thinstate-trial-*")).trim();
    onTestFinished(async () => {
      await machine.run("rm", "chaos/handlers/looping.ts");
    });
    await machine.write("chaos/handlers/looping.ts", "for (;;);");
    const { exitCode, stderr } = await machine.try("env", "node", "scripts/start.mjs", "deploy-worker");
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/looping\.ts: did not load within .*processor time/),
    });
    expect(await trials()).toBe("");
    const script = "node scripts/start.mjs deploy-worker >/dev/null 2>&1 & echo $!";
    const pid = (await machine.run("sh", "-c", script)).trim();
    await until(async () => (await trials()) !== "", "the handlers are tried");
    await machine.kill("KILL", pid);
    await until(async () => (await trials()) === "", "the trial has ended");
  });

  test("what NATS is shown is root's, and each service gets its own only", async () => {
    expect((await machine.run("stat", "--format=%a %U", "/etc/thinstate/nats")).trim()).toBe("700 root");
    const worker = ["setpriv", "--reuid=thinstate-worker", "--regid=thinstate-worker", "--clear-groups"] as const;
    expect(await machine.try(...worker, "cat", "/etc/thinstate/nats/gateway.credentials")).not.toMatchObject({ exitCode: 0 });
    for (const [unit, role] of [
      ["thinstate-gateway@1.service", "gateway"],
      [await installed.worker(), "worker"],
    ] as const) {
      const folder = `/proc/${await machine.show(unit, "MainPID")}/root/run/credentials/${unit}`;
      expect((await machine.run("ls", folder)).trim()).toBe("NATS_CREDENTIALS_FILE");
      const shown = await machine.run("cat", `${folder}/NATS_CREDENTIALS_FILE`);
      expect(shown).toBe(await machine.run("cat", `/etc/thinstate/nats/${role}.credentials`));
    }
  });

  test("deploys, a rollback, a release that crashes, kills and restarts under load cost no client anything", async () => {
    const gateways = await installed.gatewayPids();
    const load = await Load.open({ url: installed.url, connections, rate: calmRate });
    load.begin();
    const flows = async () => {
      load.pace(busyRate);
      await load.flows();
      load.pace(calmRate);
    };
    const underLoad = async <T>(change: () => Promise<T>): Promise<T> => {
      load.pace(busyRate);
      const result = await change();
      await flows();
      return result;
    };
    const deploy = async () => {
      const onText = (text: string) => (text.includes("starting 2 workers") ? load.pace(busyRate) : undefined);
      const result = await machine.hear(onText, "node", "scripts/start.mjs", "deploy-worker");
      await flows();
      return result;
    };
    const deployed = async () => {
      const { exitCode, stdout, stderr } = await deploy();
      expect(exitCode, stderr).toBe(0);
      return /^release (\S+) serves/m.exec(stdout)?.[1];
    };

    const releases = [await deployed(), await deployed(), await deployed()];
    expect(await underLoad(() => installed.deploy("rollback-worker"))).toBe(releases[1]);

    const good = await machine.run("cat", handler);
    await machine.write(
      handler,
      good.replace("  const count =", '  if (text !== "") setTimeout(() => process.exit(13), 300);\n  const count ='),
    );
    const crashed = await deploy();
    expect(crashed).toMatchObject({ exitCode: 1 });
    expect(crashed.stderr).toMatch(/was rolled back: thinstate-worker@\S+ ended .*status=13/);
    expect(crashed.stderr).toContain(`release ${releases[1]} still serves`);
    await machine.write(handler, good);

    await machine.run("sed", "-i", "$ a LOG_LEVEL=debug", settings);
    await until(() => installed.isQuiet(), "the crashed release has ended");
    const readAgain = async () => (await machine.journal()).split('"msg":"settings were read again"').length - 1;
    await underLoad(() => machine.run("systemctl", "reload", "thinstate-*@*"));
    await until(async () => (await readAgain()) >= 4, "gateways and workers read their settings again");

    const worker = await installed.worker();
    await underLoad(async () => machine.kill("KILL", await machine.show(worker, "MainPID")));
    await installed.serves();

    await underLoad(() => machine.run("systemctl", "restart", "thinstate-worker@*"));
    await until(() => installed.isQuiet(), "the workers before have ended");
    const since = sinceNow();
    await underLoad(() => machine.run("systemctl", "restart", "thinstate-workers.target"));
    expect(await installed.history(since)).toEqual(["Stopped worker", "Started worker", "Stopped worker", "Started worker"]);
    await underLoad(() => machine.run("systemctl", "restart", "thinstate-nats"));
    await installed.serves();

    // What hangs holds nobody up for long, and systemd's watchdog has it killed and started again.
    await underLoad(async () => machine.kill("STOP", await machine.show(worker, "MainPID")));
    const hasEnded = async () => (await machine.journal(`--unit=${worker}`)).includes("Failed with result 'watchdog'");
    await until(hasEnded, "the watchdog ends what hangs");
    await installed.serves();

    const status = () => machine.show("thinstate-gateway@1", "StatusText");
    await until(async () => /^\d+ connections, 2 workers, release/.test(await status()), "the status shows both workers");
    load.stop();
    await load.settle();
    expect(tally(load, new Set())).toMatchObject({ lost: 0, doubled: 0, reordered: 0, disconnected: 0, broken: [] });
    expect(load.sent).toBeGreaterThan(1_000);
    expect(await installed.gatewayPids()).toEqual(gateways);
    await load.close();
  });

  test("gateways restarted one after the other: every client reconnects once, and at once", async () => {
    const clients = await Reconnecting.open(`${installed.url}/sequence/restarts`, connections);
    for (const instance of [1, 2]) {
      await machine.run("systemctl", "restart", `thinstate-gateway@${instance}`);
      await clients.back();
      const returns = clients.takeReturns();
      expect(returns.flat().length).toBeGreaterThan(0);
      expect(returns.filter((each) => each.length > 1)).toEqual([]);
      // "Service restart": come back, to another one.
      expect(new Set(returns.flat().map(({ code }) => code))).toEqual(new Set([1012]));
      expect(returns.flat().filter(({ awayMs: away }) => away > awayMs)).toEqual([]);
    }
    await installed.settled();
    const since = sinceNow();
    await machine.run("systemctl", "restart", "thinstate.target");
    const one = (kind: string) => [`Stopped ${kind}`, `Started ${kind}`];
    expect(await installed.history(since)).toEqual(["nats", "worker", "worker", "gateway", "gateway"].flatMap(one));
    await clients.back();
    expect(new Set(clients.takeReturns().flatMap((each) => each.map(({ code }) => code)))).toEqual(new Set([1012]));
    await clients.close();
  });

  test("a gateway that is killed is started again, and workers know at once that it was", async () => {
    const load = await Load.open({ url: installed.url, connections: 20, rate: 20 });
    await machine.kill("KILL", await machine.show("thinstate-gateway@1", "MainPID"));
    // Else they would run its connections' onClose after GATEWAY_TIMEOUT_MS.
    const haveHeard = async () => /"reason":"exited".*"msg":"gateway left"/.test(await machine.journal("--since=-60s"));
    await until(haveHeard, "workers hear of its end");
    // Its id lies where it outlives a power cut.
    const [idOf, told] = ["/var/lib/thinstate/gateway-1/id", "onGatewayLost has run for a gateway that crashed"];
    await until(async () => (await machine.journal("--since=-60s")).includes(told), "handlers are told");
    expect(await machine.run("stat", "-c", "%U %a", idOf)).toBe("thinstate-gateway 600\n");
    expect(await machine.run("cat", idOf)).toMatch(/^g\w+\n$/);
    const since = sinceNow();
    await machine.run("systemctl", "restart", "thinstate-gateway@1");
    await installed.settled();
    // An end in order is no loss.
    expect(await machine.journal(since)).not.toContain(told);
    await load.close();
  });

  test("a deploy that is killed leaves the old release serving, no lock, and nothing that the next one minds", async () => {
    const { release } = await installed.status();
    const script = `mkfifo /run/said; node scripts/start.mjs deploy-worker >/run/said 2>&1 & 
      while read -r line; do case $line in "starting 2 workers"*) kill -9 $!; break;; esac; done </run/said; rm /run/said`;
    await machine.run("sh", "-c", script);
    expect((await installed.status()).release).toEqual(release);
    expect(await installed.deploy()).not.toBe(release?.id);
    await installed.serves();
  });

  test.runIf(hasAutogroups)("a deploy holds new workers back, and lets go of them", async () => {
    const nices = `for pid in $(systemctl show --property=MainPID --value "thinstate-worker@*"); do cat /proc/$pid/autogroup; done`;
    const script = `(node scripts/start.mjs deploy-worker >/dev/null 2>&1; echo $? >/run/ended) &
      until [ -s /run/ended ]; do ${nices} 2>/dev/null; sleep 0.05; done; cat /run/ended; rm /run/ended`;
    const seen = await machine.run("sh", "-c", script);
    expect(seen).toMatch(/ nice 5\n/);
    expect(seen).toMatch(/^0\n$/m);
    expect(await machine.run("sh", "-c", nices)).not.toMatch(/ nice [^0]/);
    await installed.serves();
  });

  test("one deploy at a time: the second one hears who is at it", async () => {
    const results = await Promise.all([machine.npm("deploy-worker"), machine.npm("deploy-worker")]);
    expect(results.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1]);
    expect(results.find(({ exitCode }) => exitCode === 1)?.stderr).toMatch(/there is already a deploy by root \(process \d+\) since/);
  });

  test("whoever is not root is told what to type, also of what is installed", async () => {
    for (const script of ["install-service", "uninstall-service", "deploy-worker", "rollback-worker", "status"]) await isRefused(script);
  });

  test("a restart with a mistake fails at the first worker, and the other one serves; the next restart mends it", async () => {
    await installed.settled();
    await machine.run("sed", "-i", "$ a STATE_BYTES=much", settings);
    const { exitCode } = await machine.try("systemctl", "restart", "thinstate-workers.target");
    await machine.run("sed", "-i", "$ d", settings);
    expect(exitCode).toBe(1);
    expect(await installed.units("thinstate-worker@*", "active")).toHaveLength(1);
    await machine.run("systemctl", "restart", "thinstate-workers.target");
    await installed.serves();
  });

  test("a reload with a mistake fails, and the status says which; what is right is taken over again", async () => {
    const worker = await installed.worker();
    await machine.run("sed", "-i", "$ a STATE_BYTES=much", settings);
    const failed = await machine.try("systemctl", "reload", "thinstate-*@*");
    await machine.run("sed", "-i", "$ d", settings);
    expect(failed).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(worker) });
    const mistake = "settings are unchanged: config.invalid: STATE_BYTES=much";
    expect(await machine.run("systemctl", "status", "--full", worker)).toContain(mistake);
    await machine.run("systemctl", "reload", "thinstate-*@*", "thinstate-nats");
    const nats = await machine.run("cat", "/etc/thinstate/nats-server.conf");
    await machine.write("/etc/thinstate/nats-server.conf", "authorization {");
    expect(await machine.try("systemctl", "reload", "thinstate-nats")).toMatchObject({ exitCode: 1 });
    await machine.write("/etc/thinstate/nats-server.conf", nats);
  });

  test("gateways end first, then workers, then NATS; and all of it starts again", async () => {
    const load = await Load.open({ url: installed.url, connections: 20, rate: 20 });
    const since = sinceNow();
    // Among them those of a release that is kept warm.
    const workers = await installed.units("thinstate-worker@*", "active");
    await machine.run("systemctl", "stop", "thinstate.target");
    const stopped = ["gateway", "gateway", ...workers.map(() => "worker"), "nats"].map((kind) => `Stopped ${kind}`);
    expect(await installed.history(since)).toEqual(stopped);
    expect(await machine.journal(since)).not.toContain("ended before every onClose had run");
    await load.close();
    await machine.run("systemctl", "start", "thinstate.target");
    await installed.serves();
    await machine.run("systemctl", "stop", "thinstate-workers.target");
    expect(await installed.units("thinstate-worker@*", "active", "deactivating")).toEqual([]);
    await machine.run("systemctl", "start", "thinstate-workers.target");
    await installed.serves();
  });

  test("npm run uninstall-service keeps what is yours, and with --purge nothing of ours stays", async () => {
    const own = "/etc/systemd/system/thinstate-worker@.service.d/override.conf";
    await machine.run("touch", own);
    expect(await machine.npm("uninstall-service")).toMatchObject({ exitCode: 0 });
    await machine.run("ls", own, settings, "/var/lib/thinstate/activation.json");
    // What is kept belongs to somebody: else the next user of the system would get its id, and with it keys and releases.
    expect(await machine.run("find", "/etc", "/var/lib", "(", "-nouser", "-o", "-nogroup", ")")).toBe("");
    expect((await machine.npm("status")).stderr).toContain("thinstate does not run here");
    await installed.install();
    await machine.run("ls", own);
    await machine.run("rm", "-r", "/etc/systemd/system/thinstate-worker@.service.d");
    await installed.uninstall();
  });
});

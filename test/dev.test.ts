// npm run dev: what is saved is live at once, and clients stay connected.

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { type Command, Installation, until } from "./installation.ts";

const file = "worker/handlers/version.ts";

let installation: Installation;
let dev: Command;
let client: TestClient;
let asked = 0;

function handler(version: string): string {
  return `import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/version",
  onMessage(conn, message) {
    conn.send(\`${version} \${message.text()}\`);
  },
});
`;
}

/** @returns What answers now. */
async function answer(): Promise<string> {
  const number = asked++;
  client.send(String(number));
  await client.receives(asked);
  const [version, echoed] = String(client.received[number]).split(" ");
  expect(echoed).toBe(String(number));
  return version ?? "";
}

/**
 * @param isThere Whether it answers: where a save has several steps, one may be live before the next is seen.
 * @returns What is said of a save once it is live.
 */
async function live(save: () => void, isThere: () => Promise<boolean> = async () => true): Promise<string> {
  let from = dev.lines.length;
  save();
  for (;;) {
    const said = await dev.line(/^live after/, from);
    if (await isThere()) return said;
    from = dev.lines.indexOf(said, from) + 1;
  }
}

beforeAll(async () => {
  installation = await Installation.cloned();
  installation.write(file, handler("one"));
  // One worker: what is watched here is who notices a save, and each worker takes seconds of processor time to start.
  dev = installation.start({ WORKERS: "1" }, ["dev"]);
  const url = (await dev.line(/^ready ws:/)).replace("ready ", "");
  await dev.line(/^watching worker\/handlers/);
  client = await TestClient.open(`${url}/version`);
});

afterAll(() => installation?.end());

test("a saved handler is live at once, with clients still connected", async () => {
  expect(await answer()).toBe("one");
  for (const version of ["two", "three"]) {
    expect(await live(() => installation.write(file, handler(version)))).toMatch(/^live after \d+ ms, 1 connections handed over/);
    expect(await answer()).toBe(version);
  }
  expect(client.isOpen).toBe(true);
});

test("a broken save prints the error with file and line, and the code before serves until it is mended", async () => {
  const [from, before] = [dev.lines.length, await answer()];
  installation.write(file, handler("broken").replace("onMessage(conn, message) {", "onMessage(conn, message) {{{"));
  await dev.line(/^not live, the code before still serves/, from);
  expect(dev.lines.slice(from).join("\n")).toMatch(new RegExp(`${file}:\\d+`));
  expect(await answer()).toBe(before);
  await live(() => installation.write(file, handler("mended")));
  expect(await answer()).toBe("mended");
  expect(client.isOpen).toBe(true);
});

test("a save under which a connection's state does not fit says whom it has closed", async () => {
  const keeper = (field: string) => `import * as v from "valibot";
import { defineHandler } from "../handler.ts";

export default defineHandler({ path: "/kept", state: v.object({ ${field}: v.number() }), onUpgrade: () => ({ state: { ${field}: 0 } }) });
`;
  await live(() => installation.write("worker/handlers/kept.ts", keeper("count")));
  const kept = await TestClient.open(`${(await installation.status()).url}/kept`);
  expect(await live(() => installation.write("worker/handlers/kept.ts", keeper("total")))).toMatch(/ closed 1: state\.incompatible \(1\)$/);
  expect(await kept.closes()).toEqual({ code: 1012, reason: "state.incompatible" });
});

test("a file that is added is served, and what is removed is not missed", async () => {
  await live(() => installation.write("worker/handlers/added.ts", handler("added").replace("/version", "/added")));
  const added = await TestClient.open(`${(await installation.status()).url}/added`);
  added.send("0");
  await added.receives(1);
  expect(added.received).toEqual(["added 0"]);
  await live(() => installation.remove("worker/handlers/added.ts"));
  expect(await added.closes()).toMatchObject({ code: 1001 });
  expect(await answer()).toBe("mended");
});

test("what a handler imports from elsewhere in the clone, or is linked to, is watched, too", async () => {
  const inFolder = join(installation.clone, "..", "elsewhere");
  const save = async (write: () => void) => {
    await live(write);
    return answer();
  };
  const linked = join(inFolder, "linked.ts");
  mkdirSync(join(inFolder, "deep"), { recursive: true });
  writeFileSync(linked, 'export const linked = "a";\n');
  writeFileSync(join(inFolder, "deep", "deep.ts"), 'export const deep = "a";\n');
  symlinkSync(linked, join(installation.clone, "worker", "linked.ts"));
  symlinkSync(join(inFolder, "deep"), join(installation.clone, "worker", "deep"));
  installation.write("lib/words/word.ts", 'export const word = "one";\n');
  const imports = [`{ word } from "../../lib/words/word.ts"`, `{ linked } from "../linked.ts"`, `{ deep } from "../deep/deep.ts"`];
  const text = `${imports.map((each) => `import ${each};\n`).join("")}${handler("$" + "{word}-$" + "{linked}-$" + "{deep}")}`;
  expect(await save(() => installation.write(file, text))).toBe("one-a-a");
  expect(await save(() => installation.write("lib/words/word.ts", 'export const word = "two";\n'))).toBe("two-a-a");
  expect(await save(() => writeFileSync(linked, 'export const linked = "b";\n'))).toBe("two-b-a");
  expect(await save(() => writeFileSync(join(inFolder, "deep", "deep.ts"), 'export const deep = "b";\n'))).toBe("two-b-b");
});

test("what a deploy would refuse is said, beside serving it", async () => {
  const from = dev.lines.length;
  await live(() => installation.write(file, handler("untyped").replace("conn.send(", "conn.sent = 1;\n    conn.send(")));
  expect(await answer()).toBe("untyped");
  const said = dev.lines.indexOf(await dev.line(/^a deploy would refuse this:$/, from), from);
  expect(await dev.line(/TS2339/, said)).toMatch(`${file}:6: TS2339: Property 'sent' does not exist`);
  installation.write(file, handler("mended"));
  await dev.line(/^a deploy would accept this$/, said);
});

/** How a file is replaced by what is not a save in place. */
const replacements: Record<string, (path: string, text: string) => void> = {
  "git, which unlinks it": (path, text) => {
    rmSync(path);
    writeFileSync(path, text);
  },
  "vim, which makes a backup of it": (path, text) => {
    renameSync(path, `${path}~`);
    writeFileSync(path, text);
    rmSync(`${path}~`);
  },
  "an editor that renames a new file to it": (path, text) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  },
  "a checkout that removes its folder": (path, text) => {
    rmSync(dirname(path), { recursive: true });
    mkdirSync(dirname(path));
    writeFileSync(path, text);
  },
};

test("saves are noticed after the file was replaced, by whatever", async () => {
  const inner = "worker/handlers/inner/deep/inner.ts";
  const answers = async (text: string) => {
    const client = await TestClient.open(`${(await installation.status()).url}/inner`).catch(() => undefined);
    client?.send("0");
    await client?.receives(1);
    await client?.close();
    return String(client?.received) === `${text} 0`;
  };
  const save = (text: string, write: (text: string) => void) => {
    const code = handler(text).replace("/version", "/inner").replace("../handler.ts", "../../../handler.ts");
    return live(
      () => write(code),
      () => answers(text),
    );
  };
  const saveInPlace = (text: string) => installation.write(inner, text);
  await save("created", saveInPlace);
  for (const [name, replace] of Object.entries(replacements)) {
    await save(`replaced by ${name}`, (text) => replace(join(installation.clone, inner), text));
    await save(`in place after ${name}`, saveInPlace);
  }
  await live(() => installation.remove("worker/handlers/inner"));
});

test("where folders cannot be watched, it says so once, with what to do, and does not say that it watches all", async () => {
  const broken = join(installation.cacheFolder, "no-watch.mjs");
  // As Node throws it where the limit of inotify(7) is reached, which all programs of a user share.
  writeFileSync(
    broken,
    `import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const { watch } = fs;
let left = 1;
fs.watch = (path, ...rest) => {
  if (left-- > 0) return watch(path, ...rest);
  throw Object.assign(new Error(\`ENOSPC: System limit for number of file watchers reached, watch '\${path}'\`), { code: "ENOSPC" });
};
syncBuiltinESMExports();
`,
  );
  const beside = await Installation.here();
  const blind = beside.start({ NODE_OPTIONS: `--import=${broken}` }, ["dev"]);
  await blind.line(/^not watching all of worker\/handlers, and what it may import$/);
  blind.process.kill("SIGINT");
  await blind.exited;
  const said = blind.lines.filter((line) => /ENOSPC|^watching/.test(line));
  expect(said).toEqual([expect.stringMatching(/changes may go unnoticed; raise the limit \(sudo sysctl .*\), then start again: ENOSPC/)]);
  await beside.end();
});

test("leaves no release behind", async () => {
  dev.process.kill("SIGTERM");
  expect(await dev.exited).toBe(0);
  const start = installation.start();
  await start.line(/^ready ws:/);
  const { release } = await installation.status();
  await until("an end of all dev releases", () => (installation.releases().join() === release?.id ? true : undefined));
  expect(release?.id).not.toMatch(/^dev/);
});

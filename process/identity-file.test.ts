import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { IdentityFile, joinIdentityFiles } from "./identity-file.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-identity-"));
  file = join(folder, "id");
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A process takes over the file. */
async function begin(id: string): Promise<IdentityFile> {
  const identity = new IdentityFile({ file, id });
  await identity.take();
  return identity;
}

test("whoever ends without a word is known to those that come after, until that is settled", async () => {
  expect((await begin("g1")).crashed).toEqual([]);
  expect((await begin("g2")).crashed).toEqual(["g1"]);
  const third = await begin("g3");
  expect(third.crashed).toEqual(["g2", "g1"]);
  await third.settle(["g1"]);
  const fourth = await begin("g4");
  expect(fourth.crashed).toEqual(["g3", "g2"]);
  await fourth.settle(fourth.crashed);
  expect(fourth.crashed).toEqual([]);
  expect((await begin("g5")).crashed).toEqual(["g4"]);
});

test("whoever could not begin, and has told of those before, is no loss", async () => {
  await begin("g1");
  await begin("g2");
  await new IdentityFile({ file, id: "g3" }).settle(["g1"]);
  expect((await begin("g4")).crashed).toEqual(["g2"]);
});

test("files that nobody uses any more are joined with the first one", async () => {
  const numbered = async (number: number, id: string) => {
    const identity = new IdentityFile({ file: join(folder, String(number)), id });
    await identity.take();
    return identity;
  };
  await numbered(1, "g1");
  await numbered(2, "g2");
  await numbered(3, "g3");
  await numbered(10, "g4");
  joinIdentityFiles(folder, 2);
  expect(readdirSync(folder).sort()).toEqual(["1", "2"]);
  expect((await numbered(1, "g5")).crashed).toEqual(["g1", "g4", "g3"]);
  expect((await numbered(2, "g6")).crashed).toEqual(["g2"]);
  joinIdentityFiles(folder, 2);
  expect(readdirSync(folder).sort()).toEqual(["1", "2"]);
});

test("whoever leaves in order leaves what it has not settled, and nothing of itself", async () => {
  await begin("g1");
  await (await begin("g2")).leave();
  const third = await begin("g3");
  expect(third.crashed).toEqual(["g1"]);
  await third.settle(["g1"]);
  await third.leave();
  expect(readFileSync(file, "utf8")).toBe("");
  expect(readdirSync(folder)).toEqual(["id"]);
});

test("an earlier version left its id alone, without a line's end", async () => {
  writeFileSync(file, "g1");
  expect((await begin("g2")).crashed).toEqual(["g1"]);
});

test("what is no id, in a damaged file, is passed over", async () => {
  writeFileSync(file, `g1\n../../x\nhello world\n\0\0\n${"g".repeat(65)}\ng2\n`);
  expect((await begin("g3")).crashed).toEqual(["g1", "g2"]);
});

test("without a file nobody was here before", async () => {
  const identity = new IdentityFile({ file: "", id: "g1" });
  await identity.take();
  await identity.settle(["g0"]);
  await identity.leave();
  expect(identity.crashed).toEqual([]);
});

test("what cannot be kept throws, and names the file", async () => {
  const identity = new IdentityFile({ file: join(folder, "missing", "id"), id: "g1" });
  await expect(identity.take()).rejects.toThrow(/ENOENT.*missing/);
});

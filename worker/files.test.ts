import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveFiles } from "./files.ts";

const picture = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 256));
const page = `<!doctype html><p>${"a page ".repeat(500)}`;
let top: string;
let serve: ReturnType<typeof serveFiles>;

beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "thinstate-files-"));
  const folder = join(top, "public");
  mkdirSync(join(folder, "deep"), { recursive: true });
  writeFileSync(join(folder, "index.html"), page);
  writeFileSync(join(folder, "deep", "index.html"), "deep");
  writeFileSync(join(folder, "picture.png"), picture);
  writeFileSync(join(folder, "a b.js"), "1");
  writeFileSync(join(folder, "empty.png"), "");
  writeFileSync(join(folder, ".secret"), "2");
  writeFileSync(join(top, "secret.txt"), "3");
  symlinkSync(join(top, "secret.txt"), join(folder, "link.txt"));
  serve = serveFiles(new URL(`${pathToFileURL(folder)}/`), { more: { "more/elsewhere.txt": `${pathToFileURL(join(top, "secret.txt"))}` } });
});

afterAll(() => rmSync(top, { recursive: true }));

function get(file: string, headers: Readonly<Record<string, string>> = {}, method = "GET"): Promise<Response> {
  return serve(new Request("http://a/", { headers, method }), { params: { "*": file } });
}

test("a file has its type, and a page the strict policy", async () => {
  const response = await get("a b.js");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'self';/);
  expect(response.headers.get("content-security-policy")).not.toContain("unsafe");
  expect(await response.text()).toBe("1");
});

test("a folder has its index", async () => {
  expect(await (await get("")).text()).toBe(page);
  expect(await (await get("deep/")).text()).toBe("deep");
  expect((await get("deep")).status).toBe(404);
});

test("what is text is compressed for those who take it, and not sent again while it has not changed", async () => {
  const first = await get("", { "accept-encoding": "br, gzip" });
  expect(first.headers.get("content-encoding")).toBe("gzip");
  expect(gunzipSync(Buffer.from(await first.arrayBuffer())).toString()).toBe(page);
  const tag = first.headers.get("etag") ?? "";
  const again = await get("", { "accept-encoding": "br, gzip", "if-none-match": `"other", ${tag}` });
  expect(again.status).toBe(304);
  writeFileSync(join(top, "public", "index.html"), `${page}!`);
  const changed = await get("", { "if-none-match": tag });
  expect(changed.status).toBe(200);
  expect(await changed.text()).toBe(`${page}!`);
  writeFileSync(join(top, "public", "index.html"), page);
});

test("what is no text may be asked for in parts", async () => {
  const whole = await get("picture.png", { "accept-encoding": "gzip" });
  expect(whole.headers.get("accept-ranges")).toBe("bytes");
  expect(whole.headers.has("content-encoding")).toBe(false);
  expect(Buffer.from(await whole.arrayBuffer())).toEqual(picture);
  const part = await get("picture.png", { range: "bytes=1000-1999" });
  expect(part.status).toBe(206);
  expect(part.headers.get("content-range")).toBe("bytes 1000-1999/5000");
  expect(Buffer.from(await part.arrayBuffer())).toEqual(picture.subarray(1000, 2000));
  const old = await get("picture.png", { range: "bytes=1000-1999", "if-range": '"old"' });
  expect(old.status).toBe(200);
  expect((await get("picture.png", { range: "bytes=9999-" })).status).toBe(416);
});

test.each(["br", "x-gzip", "gzip;q=0", "gzip;q=0, *", "*;q=0", "deflate, gzip ; q=0.00", "gzip;q=abc"])(
  "a client that takes %j gets a text as it is",
  async (encodings) => {
    const response = await get("", { "accept-encoding": encodings });
    expect(response.status).toBe(200);
    expect(response.headers.has("content-encoding")).toBe(false);
    expect(await response.text()).toBe(page);
  },
);

test.each(["br, GZIP;q=0.001", "gzip;q=1.0, br", "deflate,gzip"])("a client that takes %j gets a text compressed", async (encodings) => {
  expect((await get("", { "accept-encoding": encodings })).headers.get("content-encoding")).toBe("gzip");
});

test.each(["items=0-5", "bytes=", "bytes=-0", "bytes=a-b", "bytes=0-1,5-6", "bytes=0-1,"])(
  "whoever asks for %j gets the whole file",
  async (range) => {
    const response = await get("picture.png", { range });
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(picture);
  },
);

test("of an empty file there are no parts", async () => {
  expect((await get("empty.png", { range: "bytes=-5" })).status).toBe(200);
});

test("a file that could not be read is read for the next who asks", async () => {
  const file = join(top, "public", "late.txt");
  const { atime, mtime } = statSync(join(top, "secret.txt"));
  const write = (text: string) => {
    writeFileSync(file, text);
    utimesSync(file, atime, mtime);
  };
  write("old");
  const asked = get("late.txt");
  rmSync(file);
  await asked.catch(() => undefined);
  write("new");
  expect(await (await get("late.txt")).text()).toBe("new");
});

test.each(["../secret.txt", "link.txt", ".secret", "deep/../index.html", "//index.html", "a\0b", "none", "a".repeat(300), "index.html/x"])(
  "%j is not served",
  async (file) => {
    expect((await get(file)).status).toBe(404);
  },
);

test("a file from elsewhere is served where it is named", async () => {
  expect(await (await get("more/elsewhere.txt")).text()).toBe("3");
});

test("only reading is possible", async () => {
  expect((await get("", {}, "HEAD")).status).toBe(200);
  expect((await get("", {}, "POST")).status).toBe(405);
});

// Serves the files of a folder beside a handler, a page and what belongs to it: part of the release, as the handler is.

import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { detectMimeType } from "@remix-run/mime";
import { compressResponse } from "@remix-run/response/compress";
import { createFileResponse } from "@remix-run/response/file";
import { takesGzip } from "../process/accept-encoding.ts";

export interface ServeFilesOptions {
  /** More files, by the path that they are served under: `{ "chart.js": import.meta.resolve("uplot") }`. */
  readonly more?: Readonly<Record<string, string>>;
  /** The Content-Security-Policy; false: none. By default pages load from their own site only, and run no inline scripts and styles. */
  readonly csp?: string | false;
  /** The Cache-Control. By default a browser asks each time whether a file has changed, so that a deploy is seen at once. */
  readonly cacheControl?: string;
}

type FileLike = Parameters<typeof createFileResponse>[0];

type ServeFiles = (request: Request, context: { readonly params: Readonly<Record<string, string>> }) => Promise<Response>;

/** Source: CSP Level 3. `'self'` includes WebSockets of the same host. */
const strictPolicy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/** What is larger would be compressed anew for each client, and whole in memory where one reads slowly. */
const mostCompressedBytes = 1024 * 1024;

/**
 * An `onRequest` for a path that ends in `*`: the rest of the path is the file, and `index.html` where the path ends with a slash.
 * Files have their type, an ETag and, by type, either ranges or compression. Hidden files, and links out of the folder, are not served.
 * @param folder Beside the handler: `new URL("public/", import.meta.url)`.
 */
export function serveFiles(folder: URL, { more = {}, csp = strictPolicy, cacheControl = "no-cache" }: ServeFilesOptions = {}): ServeFiles {
  const home = fileURLToPath(folder);
  const others = new Map(Object.entries(more).map(([name, url]) => [name, fileURLToPath(url)]));
  /** By path, of the file as it was then. */
  const digests = new Map<string, { readonly version: string; readonly digest: Promise<string> }>();
  return async (request, { params }) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("only GET\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const wanted = params["*"] ?? "";
    const name = wanted === "" || wanted.endsWith("/") ? `${wanted}index.html` : wanted;
    const path = others.get(name) ?? (await pathWithin(home, name));
    const file = path === undefined ? undefined : await openFile(path);
    if (path === undefined || file === undefined) return new Response("no such file\n", { status: 404 });
    const digest = () => {
      const version = `${file.size} ${file.lastModified}`;
      const known = digests.get(path);
      if (known?.version === version) return known.digest;
      const digest = digestOf(file);
      digests.set(path, { version, digest });
      // It could not be read: the next one who asks tries again.
      digest.catch(() => digests.delete(path));
      return digest;
    };
    const understood = asUnderstood(request, file.size);
    const plain = await createFileResponse(file, understood, { etag: "strong", digest, lastModified: false, cacheControl });
    plain.headers.set("x-content-type-options", "nosniff");
    if (csp !== false) plain.headers.set("content-security-policy", csp);
    return file.size > mostCompressedBytes ? plain : compressResponse(plain, understood, { encodings: ["gzip"] });
  };
}

/** One range, with bytes in it. */
const oneRange = /^bytes=(?:\d+-\d*|-0*[1-9]\d*)$/i;

/**
 * Without what the library refuses, or takes for something else. Source: RFC 9110.
 * - 12.5.3: whoever does not take gzip gets the file as it is.
 * - 13.1.2: If-None-Match compares weakly, and what was compressed has a weak ETag.
 * - 14.2: a Range of an unknown unit is ignored, and any other may be.
 */
function asUnderstood(request: Request, size: number): Request {
  const headers = new Headers(request.headers);
  if (takesGzip(headers.get("accept-encoding"))) headers.set("accept-encoding", "gzip");
  else headers.delete("accept-encoding");
  const tags = headers.get("if-none-match");
  if (tags !== null) headers.set("if-none-match", tags.replaceAll('W/"', '"'));
  if (size === 0 || !oneRange.test(headers.get("range") ?? "")) headers.delete("range");
  return new Request(request.url, { method: request.method, headers });
}

/** @returns undefined where the folder has no such file that may be seen. */
async function pathWithin(folder: string, name: string): Promise<string | undefined> {
  if (name.includes("\0") || name.split("/").some((segment) => segment === "" || segment.startsWith("."))) return undefined;
  try {
    const [home, path] = await Promise.all([realpath(folder), realpath(join(folder, name))]);
    return path.startsWith(home + sep) ? path : undefined;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

async function openFile(path: string): Promise<FileLike | undefined> {
  const found = await stat(path);
  if (!found.isFile()) return undefined;
  const blob = await openAsBlob(path);
  const type = detectMimeType(extname(path)) ?? "application/octet-stream";
  return {
    name: path,
    size: blob.size,
    type,
    lastModified: found.mtimeMs,
    stream: () => blob.stream(),
    arrayBuffer: () => blob.arrayBuffer(),
    slice: (start, end) => blob.slice(start, end),
  };
}

async function digestOf(file: FileLike): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of file.stream()) hash.update(chunk);
  return hash.digest("base64url");
}

// The files of the dashboard's page. They are read when the gateway starts: it runs for months, and the clone's files may be a newer
// version's by the time that somebody looks, which its stream does not fit. There is nothing to build.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzip: Buffer;
  /** Another one where the file is another (RFC 9110, 8.8.3). */
  readonly etag: string;
}

const folder = join(import.meta.dirname, "public");
const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

const own = (name: string) => () => join(folder, name);
// Its ES module is not minified, and three times as large.
const ofUplot = (name: string) => () => createRequire(import.meta.url).resolve(`uplot/dist/${name}`);

type Places = Readonly<Record<string, { readonly type: string; readonly path: () => string }>>;

/** By path: where each is. */
const places: Places = {
  "/": { type: types.html, path: own("index.html") },
  "/dashboard/dashboard.js": { type: types.js, path: own("dashboard.js") },
  "/dashboard/charts.js": { type: types.js, path: own("charts.js") },
  "/dashboard/panels.js": { type: types.js, path: own("panels.js") },
  "/dashboard/deploys.js": { type: types.js, path: own("deploys.js") },
  "/dashboard/errors.js": { type: types.js, path: own("errors.js") },
  "/dashboard/releases.js": { type: types.js, path: own("releases.js") },
  "/dashboard/dom.js": { type: types.js, path: own("dom.js") },
  "/dashboard/dashboard.css": { type: types.css, path: own("dashboard.css") },
  "/dashboard/icon.svg": { type: types.svg, path: own("icon.svg") },
  "/dashboard/uplot.js": { type: types.js, path: ofUplot("uPlot.iife.min.js") },
  "/dashboard/uplot.css": { type: types.css, path: ofUplot("uPlot.min.css") },
};

export const pagePaths: readonly string[] = Object.keys(places);

export class PageFiles {
  private readonly read = new Map<string, { readonly type: string; readonly bytes: Buffer | Error }>();
  /** Compressed when somebody first wants one. */
  private readonly files = new Map<string, PageFile>();

  constructor(from: Places = places) {
    for (const [name, { type, path }] of Object.entries(from)) this.read.set(name, { type, bytes: bytesOf(path) });
  }

  /** @param path One of `pagePaths`. @throws where it could not be read. */
  at(path: string): PageFile {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const { type = "", bytes = new Error(`${path} is no file of the page`) } = this.read.get(path) ?? {};
    if (bytes instanceof Error) throw bytes;
    const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
    const file = { type, bytes, gzip: gzipSync(bytes, { level: 9 }), etag };
    this.files.set(path, file);
    return file;
  }
}

/** @returns why it cannot be read, for whoever wants it: that must not keep a gateway from starting. */
function bytesOf(path: () => string): Buffer | Error {
  try {
    return readFileSync(path());
  } catch (error) {
    return error as Error;
  }
}

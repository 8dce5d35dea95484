// Finds the handler modules of a folder and imports them: a file that is there is served, nothing else is registered. Whatever
// is wrong with any of them is reported together.

import { realpathSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { ProcessorWatch } from "../process/processors.ts";
import { isCodedError } from "../protocol/errors.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { shapeOfRoute } from "../protocol/route-table.ts";
import { answersOnly, type Handler, isHandler } from "./handler.ts";
import { type Grounds, HandlersError, lineHolding, type Problem, problemOf } from "./load-problem.ts";
import { initialState } from "./state.ts";

export interface LoadedHandler {
  /** Relative to the clone. */
  readonly file: string;
  readonly handler: Handler;
}

export interface LoadedHandlers {
  /** Sorted by file. */
  readonly handlers: readonly LoadedHandler[];
  /** What the gateways are told of them, in the same order. */
  readonly routes: readonly RouteHello[];
}

export interface LoadOptions {
  /** The clone: what problems' files are relative to. By default the current folder. */
  readonly root?: string;
  /** How long a module may take, its top-level awaits included. */
  readonly timeoutMs?: number;
  /** Where the machine was busy, a module may take as long again, and again: somebody else ends what takes too long. */
  readonly isPatient?: boolean;
  readonly watchProcessors?: () => Pick<ProcessorWatch, "busyText">;
  /**
   * Told each module's file before it is imported. They are then imported one after the other: where nothing follows, that one
   * loops for ever, or what it imports.
   */
  readonly onBegin?: (file: string) => void;
}

/**
 * How long modules may take to load in a worker, in whole tenths of a second: one that never loads is to be named before the
 * supervisor loses its patience, also where the process itself was slow to start.
 * @param sinceStartMs How long ago the process began.
 */
export function loadingTimeMs(readyTimeoutMs: number, sinceStartMs: number): number {
  const timeMs = Math.max(0.75 * readyTimeoutMs - sinceStartMs, 0.25 * readyTimeoutMs);
  return Math.ceil(timeMs / 100) * 100;
}

/** What serveFiles serves. */
const filesForBrowsers = "public";

/** ES modules, in TypeScript or JavaScript. */
const served = /\.m?[tj]s$/;
/** CommonJS, whose imports nothing would watch over, and JSX. */
const unserved = /\.(?:c[tj]s|[tj]sx)$/;

/**
 * Imports every `.ts`, `.mts`, `.js` and `.mjs` file in some folders and below, but for tests, type declarations, and names that start
 * with `_` or a dot, and folders named `public`. A handler takes the place of those with the same path in the folders after its own.
 * @param folders The first one has to hold a handler.
 * @throws {HandlersError} with every problem of every file: "handler.load", "handler.invalid", "handler.duplicate".
 */
export async function loadHandlers(folders: readonly [string, ...string[]], options: LoadOptions = {}): Promise<LoadedHandlers> {
  const { root = process.cwd(), timeoutMs = 10_000, isPatient = false, onBegin, watchProcessors = () => new ProcessorWatch() } = options;
  const inFolders = await Promise.all(folders.map((folder) => pathsIn(folder, realpathSync(root))));
  if (inFolders[0]?.length === 0) throw new HandlersError([{ file: folders[0], code: "handler.load", text: "holds no handler module" }]);
  const load = ({ path, grounds }: HandlerPath) => {
    onBegin?.(relative(grounds.root, path));
    return loadHandler(path, grounds, { timeoutMs, isPatient, watchProcessors });
  };
  const results =
    onBegin === undefined
      ? await Promise.all(inFolders.map((paths) => Promise.all(paths.map(load))))
      : await oneByOne(inFolders, (paths) => oneByOne(paths, load));

  const problems = results.flat().filter((result) => "text" in result);
  const loaded = results.map((ofFolder) => ofFolder.filter((result) => "handler" in result));
  problems.push(...loaded.flatMap((handlers) => duplicates(handlers, realpathSync(root))));
  const handlers = withoutReplaced(loaded);
  if (problems.length > 0) throw new HandlersError(withoutRepeats(problems));
  return { handlers, routes: handlers.map(({ handler }) => routeOf(handler)) };
}

function routeOf(handler: Handler): RouteHello {
  return {
    path: handler.path,
    ...(handler.origins && { origins: [...handler.origins] }),
    ...(handler.requireOrigin && { requireOrigin: true }),
    subprotocols: [...handler.subprotocols],
    upgrades: handler.onUpgrade !== undefined || answersOnly(handler),
    answers: handler.onRequest !== undefined,
    adopts: handler.onAdopt !== undefined,
    expires: handler.onExpire !== undefined,
    timers: handler.onTimer !== undefined,
    ...(handler.onPublish && { publishes: true }),
    ...(handler.limits?.messages && { messages: handler.limits.messages }),
  };
}

interface HandlerPath {
  readonly path: string;
  readonly grounds: Grounds;
}

async function pathsIn(folder: string, root: string): Promise<HandlerPath[]> {
  const files = await handlerFiles(folder).catch((error: NodeJS.ErrnoException) => {
    throw new HandlersError([{ file: folder, code: "handler.load", text: `cannot be read: ${error.message}` }]);
  });
  // Stacks have real paths, whatever link led here.
  const grounds: Grounds = { root, handlers: realpathSync(folder) };
  return files.map((file) => ({ path: join(grounds.handlers, file), grounds }));
}

async function handlerFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (/^[._]/.test(entry.name) || (entry.isDirectory() && entry.name === filesForBrowsers)) continue;
    const isModule = (served.test(entry.name) || unserved.test(entry.name)) && !/\.(test|test-d|d)\.\w+$/.test(entry.name);
    if (entry.isDirectory()) {
      for (const file of await handlerFiles(join(folder, entry.name))) files.push(join(entry.name, file));
    } else if (isModule) {
      files.push(entry.name);
    }
  }
  return files.sort();
}

async function oneByOne<P, T>(paths: readonly P[], load: (path: P) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const path of paths) results.push(await load(path));
  return results;
}

type Patience = Required<Pick<LoadOptions, "timeoutMs" | "isPatient" | "watchProcessors">>;

async function loadHandler(path: string, grounds: Grounds, patience: Patience): Promise<LoadedHandler | Problem> {
  const file = relative(grounds.root, path);
  if (unserved.test(path)) {
    return { file, code: "handler.invalid", text: "is not served: name a handler .ts, .mts, .js or .mjs, and what is none with _ first" };
  }
  const ended = new AbortController();
  try {
    const module: unknown = await Promise.race([import(pathToFileURL(path).href), lateness(patience, ended.signal)]);
    if (module instanceof Late) return { file, code: "handler.load", text: module.text };
    const handler = (module as { readonly default?: unknown }).default;
    if (!isHandler(handler)) {
      return { file, code: "handler.invalid", text: "its default export is not what defineHandler returns; or start its name with _" };
    }
    const text = stateProblem(handler);
    if (text === undefined) return { file, handler };
    const line = lineHolding(path, "state:");
    return { file, ...(line !== undefined && { line }), code: "handler.invalid", text };
  } catch (thrown) {
    return problemOf(thrown, path, grounds);
  } finally {
    ended.abort();
  }
}

class Late {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Resolves when a module has had time enough to load; never after the signal. */
function lateness(patience: Patience, signal: AbortSignal): Promise<Late> {
  const { timeoutMs, isPatient } = patience;
  return new Promise((resolve) => {
    const processors = patience.watchProcessors();
    const timer = setTimeout(() => {
      const busy = processors.busyText();
      if (busy !== undefined && isPatient) return resolve(lateness(patience, signal));
      const why = busy === undefined ? "does a top-level await never settle?" : `${busy}; READY_TIMEOUT_MS gives it more`;
      resolve(new Late(`did not load within ${timeoutMs / 1000} s: ${why}`));
    }, timeoutMs);
    signal.addEventListener("abort", () => clearTimeout(timer));
  });
}

/** Why a connection of this handler could have no valid state, whatever happened. */
function stateProblem(handler: Handler): string | undefined {
  if (handler.state === undefined) return undefined;
  const tried = handler.state["~standard"].validate(undefined);
  if (tried instanceof Promise) {
    tried.catch(() => undefined);
    return "the state schema is asynchronous, and this one must not be: it is checked within a turn";
  }
  if (handler.onUpgrade !== undefined) return undefined;
  try {
    initialState(handler, undefined);
    return undefined;
  } catch (error) {
    if (!isCodedError(error, "state.invalid")) throw error;
    return `a new connection has no valid state (${error.message}): give the schema a default, or add migrate, or return a state from onUpgrade`;
  }
}

/** Of each folder its handlers, but for those whose path one of a folder before has. */
function withoutReplaced(loaded: readonly (readonly LoadedHandler[])[]): LoadedHandler[] {
  const taken = new Set<string>();
  return loaded.flatMap((handlers) => {
    const kept = handlers.filter(({ handler }) => !taken.has(shapeOfRoute(handler.path)));
    for (const { handler } of kept) taken.add(shapeOfRoute(handler.path));
    return kept;
  });
}

function duplicates(handlers: readonly LoadedHandler[], root: string): Problem[] {
  const first = new Map<string, LoadedHandler>();
  const problems: Problem[] = [];
  for (const loaded of handlers) {
    const { file, handler } = loaded;
    const shape = shapeOfRoute(handler.path);
    const other = first.get(shape);
    if (other === undefined) {
      first.set(shape, loaded);
      continue;
    }
    const line = lineHolding(join(root, file), handler.path);
    const text = `serves ${handler.path}, which ${other.file} serves already${other.handler.path === handler.path ? "" : ` as ${other.handler.path}`}`;
    problems.push({ file, ...(line !== undefined && { line }), code: "handler.duplicate", text });
  }
  return problems;
}

// A file that several handlers import fails each of them in the same place.
function withoutRepeats(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

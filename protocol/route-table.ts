// Which route serves a path: patterns as handlers write them, `/chat/:room`, compiled once. The gateway asks it for every
// upgrade, the loader for patterns that collide. Pure; regexparam knows the pattern language, this file its limits.

import { parse } from "regexparam";
import { CodedError } from "./errors.ts";

/** What a path's `:name` segments held, decoded; the rest of a path that ends in `*` under the name `*`. */
export type PathParams = Readonly<Record<string, string>>;

export interface RouteMatch<Route> {
  readonly route: Route;
  readonly params: PathParams;
}

interface CompiledRoute<Route> {
  readonly route: Route;
  readonly keys: readonly string[];
  readonly pattern: RegExp;
}

/** Routes in the order in which they are tried; made by `compileRoutes`. */
export interface RouteTable<Route> {
  /** Patterns without a parameter, by their path: one look-up serves them. */
  readonly fixed: ReadonlyMap<string, Route>;
  readonly open: readonly CompiledRoute<Route>[];
}

/**
 * A pattern is `/` or segments parted by `/`: text of RFC 3986's unreserved characters, `:name`, or, as the last one, `*` for
 * all that follows. Upper and lower case differ.
 * @throws {CodedError} "handler.invalid"
 */
export function checkRoutePath(path: string): void {
  const wrong = (what: string) => new CodedError("handler.invalid", `path ${JSON.stringify(path)} ${what}`);
  if (typeof path !== "string" || !path.startsWith("/")) throw wrong("must start with /");
  if (path === "/") return;
  const segments = segmentsOf(path);
  if (segments.at(-1) === "") throw wrong("must not end with /");
  for (const [index, segment] of segments.entries()) {
    if (segment === "") throw wrong("has an empty segment");
    if (segment === "*" && index === segments.length - 1) continue;
    if (!/^(:[A-Za-z_][A-Za-z0-9_]*|[A-Za-z0-9._~-]+)$/.test(segment)) {
      throw wrong(`has the segment ${JSON.stringify(segment)}: allowed are letters, digits and . _ ~ -, :name, and * at the end`);
    }
  }
  const names = segments.filter((segment) => segment.startsWith(":"));
  if (new Set(names).size < names.length) throw wrong("has two parameters of one name");
}

/** The pattern without its parameters' names: two patterns of one shape match the same paths. */
export function shapeOfRoute(path: string): string {
  return path.replaceAll(/:[^/]+/g, ":");
}

/** @param routes with valid paths of different shapes. */
export function compileRoutes<Route extends { readonly path: string }>(routes: Iterable<Route>): RouteTable<Route> {
  const fixed = new Map<string, Route>();
  const open: CompiledRoute<Route>[] = [];
  for (const route of routes) {
    if (!/[:*]/.test(route.path)) {
      fixed.set(route.path, route);
      continue;
    }
    // regexparam takes text as it stands, so a dot would match anything; and it ignores case, which paths do not.
    const { keys, pattern } = parse(route.path.replaceAll(".", "\\."));
    open.push({ route, keys, pattern: new RegExp(pattern.source) });
  }
  return { fixed, open: open.sort((a, b) => comparePatterns(a.route.path, b.route.path)) };
}

/** The patterns of a table, if there is one: those without a parameter first. */
export function pathsOf(table: RouteTable<{ readonly path: string }> | undefined): string[] {
  return table === undefined ? [] : [...table.fixed.keys(), ...table.open.map(({ route }) => route.path)];
}

/**
 * The route that serves a path. Text wins over parameters and parameters over `*`, from left to right, whatever the order
 * of the routes. One `/` at the end of the path is ignored.
 * @param path as the client sent it: not decoded, without the query.
 * @returns undefined also where a parameter's percent-encoding is malformed.
 */
export function matchRoute<Route>(table: RouteTable<Route>, path: string): RouteMatch<Route> | undefined {
  const fixed = table.fixed.get(path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path);
  if (fixed !== undefined) return { route: fixed, params: {} };
  for (const { route, keys, pattern } of table.open) {
    const found = pattern.exec(path);
    if (found === null) continue;
    try {
      return { route, params: Object.fromEntries(keys.map((key, index) => [key, decodeURIComponent(found[index + 1] ?? "")])) };
    } catch {
      return undefined;
    }
  }
  return undefined;
}

function comparePatterns(a: string, b: string): number {
  const left = segmentsOf(a);
  const right = segmentsOf(b);
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = openness(left[index]) - openness(right[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

// Patterns of different lengths share a path only where one ends in `*`, and that has lost before the shorter one ends.
function openness(segment: string | undefined): number {
  if (segment === undefined) return 0;
  if (segment === "*") return 3;
  return segment.startsWith(":") ? 2 : 1;
}

function segmentsOf(path: string): string[] {
  return path.slice(1).split("/");
}

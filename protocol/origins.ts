// Origins of web pages (RFC 6454): scheme, host and port, compared as the URL standard has them. Lists of them may have wildcards for
// subdomains. Pure.

/** As URL has them: in lower case where the scheme is a web browser's, and the port empty where it is the scheme's usual one. */
export interface Origin {
  /** "https:" */
  readonly scheme: string;
  /** Without a dot at its end: that is the same name, written in full. */
  readonly name: string;
  readonly port: string;
}

/** Scheme, host and port, and nothing else. */
const shape = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s]+$/i;

/** @returns undefined for what is none: `null`, or a URL with more than scheme, host and port. */
export function parseOrigin(text: string): Origin | undefined {
  if (!shape.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, hostname, port } = new URL(text);
  return { scheme: protocol, name: hostname.endsWith(".") ? hostname.slice(0, -1) : hostname, port };
}

/** Whether a text may stand among allowed origins: `https://example.com:8443`, `https://*.example.com`, or `*` for any. */
export function isOriginPattern(text: string): boolean {
  const origin = parseOrigin(text);
  return text === "*" || (origin !== undefined && hasUsualStars(origin));
}

/** Whether a text may stand among hosts: `example.com`, `example.com:8443`, `*.example.com`. The scheme may then be http or https. */
export function isHostPattern(text: string): boolean {
  const origin = parseOrigin(`https://${text}`);
  return origin !== undefined && hasUsualStars(origin);
}

export function isSameOrigin(a: Origin, b: Origin): boolean {
  return a.scheme === b.scheme && a.name === b.name && a.port === b.port;
}

/**
 * @param pattern as isOriginPattern has it. `*.example.com` stands for every name that ends in `.example.com`, and not for `example.com`.
 * @param text an Origin header's value.
 */
export function matchesOrigin(pattern: string, text: string): boolean {
  if (pattern === "*" || pattern === text) return true;
  const [named, origin] = [parseOrigin(pattern), parseOrigin(text)];
  return named !== undefined && origin !== undefined && matches(named, origin);
}

/** The same with a pattern of hosts. @param origin of http or https; pages of other schemes have no host. */
export function matchesHost(pattern: string, origin: Origin): boolean {
  const named = parseOrigin(`${origin.scheme}//${pattern}`);
  return isOfWeb(origin) && named !== undefined && matches(named, origin);
}

export function isOfWeb({ scheme }: Origin): boolean {
  return scheme === "http:" || scheme === "https:";
}

function matches(pattern: Origin, origin: Origin): boolean {
  if (!pattern.name.startsWith("*.")) return isSameOrigin(pattern, origin);
  const suffix = pattern.name.slice(1);
  const isBelow = origin.name.endsWith(suffix) && origin.name.length > suffix.length;
  return pattern.scheme === origin.scheme && pattern.port === origin.port && isBelow;
}

function hasUsualStars({ name }: Origin): boolean {
  return !(name.startsWith("*.") ? name.slice(2) : name).includes("*");
}

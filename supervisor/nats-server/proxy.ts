// Which proxy the environment names for a URL, as curl, npm and apt understand it: Node's own fetch asks it only from Node 24 on,
// and when it is told to.

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @returns undefined: none. Its name and password, if any, are in the URL.
 * @throws {TypeError} where what is named is no URL of a proxy that we can speak with.
 */
export function proxyOf(url: URL, environment: Environment): URL | undefined {
  const scheme = url.protocol.slice(0, -1);
  const named = read(environment, `${scheme}_proxy`) ?? read(environment, "all_proxy");
  if (named === undefined || isExcepted(url, read(environment, "no_proxy") ?? "")) return undefined;
  const proxy = new URL(named.includes("://") ? named : `http://${named}`);
  if (proxy.protocol !== "http:" && proxy.protocol !== "https:") throw new TypeError(`${proxy.protocol}// is no proxy that we can use`);
  return proxy;
}

/** A host, all below a domain with or without its first dot, or everything; with a port only that one. */
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      const [, domain = "", only = port] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      return entry === "*" || (only === port && (host === domain || host.endsWith(`.${domain}`)));
    });
}

/** In small or capital letters; set, but empty: not set. */
function read(environment: Environment, name: string): string | undefined {
  return environment[name] || environment[name.toUpperCase()] || undefined;
}

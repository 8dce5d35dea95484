// The header Forwarded of RFC 7239, which proxies write: who asked each of them, for which host, and how. Who may be believed is not
// decided here. Pure.

/** What one proxy has added. undefined: it did not say. */
export interface ForwardedElement {
  /** An address, maybe with a port; or `unknown`, or a name that begins with `_`. */
  readonly for: string | undefined;
  readonly host: string | undefined;
  readonly proto: string | undefined;
}

// RFC 7239, section 4. Some proxies leave out the quotes that an IPv6 address or a port needs.
const pair = /[ \t]*([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w:[\]-]+)|"((?:[^"\\]|\\.)*)")[ \t]*/y;
const separator = /[ \t]*([;,]|$)/y;

/**
 * @param value one header, or several joined by commas, in the order of the request.
 * @returns The proxies' elements, the nearest last; undefined where it is none: one quote too many in what a client has sent would
 * swallow what a proxy has added.
 */
export function parseForwarded(value: string): ForwardedElement[] | undefined {
  const elements: ForwardedElement[] = [];
  let pairs = new Map<string, string>();
  for (let at = 0; ; ) {
    pair.lastIndex = at;
    const [text = "", name = "", token, quoted = ""] = pair.exec(value) ?? [];
    if (text !== "") {
      if (pairs.has(name.toLowerCase())) return undefined;
      pairs.set(name.toLowerCase(), token ?? quoted.replace(/\\(.)/g, "$1"));
    }
    separator.lastIndex = at + text.length;
    const found = separator.exec(value);
    if (found === null) return undefined;
    at = separator.lastIndex;
    if (found[1] === ";") continue;
    if (pairs.size > 0) elements.push({ for: pairs.get("for"), host: pairs.get("host"), proto: pairs.get("proto") });
    if (found[1] === "") return elements;
    pairs = new Map();
  }
}

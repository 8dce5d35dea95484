// For pages of other sites, which may read an answer where it says so: also one that a handler has made.

/** What a response may have more of. */
const many = new Set(["set-cookie", "vary"]);

/** @returns the response, with these headers beside its own; but for those, in the place of its own. */
export function withHeaders({ body, status, statusText, headers: own }: Response, more: Readonly<Record<string, string>>): Response {
  const headers = new Headers(own);
  for (const [name, value] of Object.entries(more)) headers[many.has(name) ? "append" : "set"](name, value);
  return new Response(body, { status, statusText, headers });
}

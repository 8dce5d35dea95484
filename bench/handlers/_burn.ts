// Work that a handler does: a template, say, or what a database driver costs. The bare server does it, too.

export const burnMs = 0.2;

export function burn(): void {
  for (const until = performance.now() + burnMs; performance.now() < until; );
}

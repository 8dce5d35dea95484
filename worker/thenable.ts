// Whether a hook or a schema waits: any thenable will do. What does not wait costs no promise.

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** @returns a promise only where there is something to wait for. */
export function allOf(results: readonly unknown[]): unknown {
  for (const result of results) if (isThenable(result)) return Promise.all(results);
  return undefined;
}

/** @returns what `next` does, at once where nothing is waited for. */
export function after<Value, Next>(value: Value | Promise<Value>, next: (value: Value) => Next | Promise<Next>): Next | Promise<Next> {
  // A thenable's own `then` may return nothing.
  return isThenable(value) ? Promise.resolve(value).then(next) : next(value);
}

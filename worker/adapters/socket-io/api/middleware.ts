// What `use` registers, of a namespace and of a socket. Source: Socket.IO's server API, "Middlewares".

export type Next = (error?: Error & { readonly data?: unknown }) => void;

/** Runs them one after the other. @returns the error that one of them gave to `next`. @throws what one has thrown, or rejected with. */
export async function through<Middleware>(
  all: readonly Middleware[],
  call: (middleware: Middleware, next: Next) => unknown,
): Promise<Parameters<Next>[0]> {
  for (const middleware of all) {
    const error = await new Promise<Parameters<Next>[0]>((resolve, reject) => {
      // It may be asynchronous, and call `next` later.
      Promise.resolve(call(middleware, resolve)).catch(reject);
    });
    if (error !== undefined && error !== null) return error;
  }
  return undefined;
}

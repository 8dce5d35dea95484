// Methods of plain HTTP that are not served, and those that are. The gateway refuses the former before it reads a body; a worker has to be
// ready for gateways that do not.

/** Fetch, 2.2.1: a Request cannot have these methods, in any case. */
const forbidden = /^(?:CONNECT|TRACE|TRACK)$/i;

/** For `Allow`. RFC 9110, 15.5.6 wants them told; which of them mean something is the handler's part. */
export const allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

export function isForbiddenMethod(method: string): boolean {
  return forbidden.test(method);
}

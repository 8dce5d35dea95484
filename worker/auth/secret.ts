// Secrets that sign what a client brings back. The first one signs, all of them are accepted: so one can be replaced.

/** RFC 7518, 3.2: a key for HS256 has at least as many bits as the hash. */
const leastBytes = 32;

/** @throws where there is none, or one is too short: the handler then does not load. */
export function secretKeys(secrets: string | undefined | readonly (string | undefined)[]): Uint8Array[] {
  const given = (Array.isArray(secrets) ? secrets : [secrets]).filter((secret) => secret !== undefined && secret !== "") as string[];
  if (given.length === 0) throw new Error("there is no secret: is its environment variable set? .env and worker.env are for it");
  const keys = given.map((secret) => new TextEncoder().encode(secret));
  if (keys.some((key) => key.length < leastBytes)) {
    throw new Error(`a secret has at least ${leastBytes} bytes: openssl rand -base64 32 makes one`);
  }
  return keys;
}

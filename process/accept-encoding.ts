// What a client says that it can unpack.

/** Named, without a weight or with one above 0. */
const gzip = /(?:^|,)\s*gzip\s*(?:$|,|;\s*q=(?:1|0\.0*[1-9]))/i;

/** @param accepted The header Accept-Encoding. Source: RFC 9110, 12.5.3. */
export function takesGzip(accepted: string | string[] | null | undefined): boolean {
  return gzip.test(String(accepted ?? ""));
}

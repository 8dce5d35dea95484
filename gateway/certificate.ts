// The TLS certificate that clients see, and its key: looked at before uWebSockets.js reads the same files, which would only say
// that something is wrong.

import { createHash, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { readNamedFile } from "../process/settings.ts";
import { CodedError } from "../protocol/errors.ts";

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** Tells whether the files are still the same. */
  readonly fingerprint: string;
  /** Whom it names. */
  readonly names: string;
  /** When it expires, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * @returns undefined where none is named: clients speak ws://.
 * @throws {CodedError} "config.invalid" where a file cannot be read, or the two are no certificate and its key.
 */
export function readCertificate(config: { readonly TLS_CERT_FILE: string; readonly TLS_KEY_FILE: string }): Certificate | undefined {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  if (certFile === "") return undefined;
  const cert = readNamedFile("TLS_CERT_FILE", certFile);
  const key = readNamedFile("TLS_KEY_FILE", keyFile);
  checkPem("TLS_CERT_FILE", certFile, cert, "CERTIFICATE");
  checkPem("TLS_KEY_FILE", keyFile, key, "PRIVATE KEY");
  const { subject, subjectAltName, validTo } = check("TLS_CERT_FILE", certFile, () => new X509Certificate(cert));
  check("TLS_KEY_FILE", keyFile, () => createSecureContext({ cert, key }));
  const fingerprint = createHash("sha256").update(cert).update(key).digest("hex");
  return { certFile, keyFile, fingerprint, names: subjectAltName ?? subject, expiresAt: Date.parse(validTo) };
}

/** OpenSSL would call it "no start line". Source: RFC 7468, section 2; keys of older tools: "BEGIN RSA PRIVATE KEY". */
function checkPem(variable: string, path: string, content: Buffer, label: "CERTIFICATE" | "PRIVATE KEY"): void {
  if (new RegExp(`^-----BEGIN (\\w+ )*${label}-----`, "m").test(content.toString("latin1"))) return;
  const what = label.toLowerCase();
  throw new CodedError("config.invalid", `${variable}=${path} is not a PEM ${what}: it has no line -----BEGIN ${label}-----`);
}

function check<T>(variable: string, path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw new CodedError("config.invalid", `${variable}=${path} cannot be used: ${(error as Error).message}`);
  }
}

/** For the log. */
export function aboutCertificate({ names, expiresAt }: Certificate): { readonly certificate: string; readonly expires: string } {
  return { certificate: names, expires: new Date(expiresAt).toISOString() };
}

// What NATS is shown by whoever connects to it, and what it has to show in return: credentials and TLS, from files.

import { credsAuthenticator, errors, type NodeConnectionOptions, nkeyAuthenticator, nkeys, usernamePasswordAuthenticator } from "nats";
import { readNamedFile } from "../process/settings.ts";
import { CodedError } from "../protocol/errors.ts";

/** Paths of files; empty: there is none. */
export interface BusSecurity {
  /** Who connects: the seed of an nkey, NATS' own `.creds`, or `user:password`. */
  readonly NATS_CREDENTIALS_FILE: string;
  /** Who may have signed the server's certificate, in PEM, instead of the authorities that Node.js knows. */
  readonly NATS_CA_FILE: string;
  /** Our own certificate and its key, in PEM, where the server wants one. */
  readonly NATS_CERT_FILE: string;
  readonly NATS_KEY_FILE: string;
}

/**
 * Options of the NATS client. TLS is insisted on where a URL begins with `tls://` or a file for it is named, and else used
 * where the server wants it.
 * @param url One, or several parted by commas.
 * @throws {CodedError} "config.invalid" where a file cannot be read, or is none of its kind.
 */
export function securityOf(url: string, security: BusSecurity | undefined): Pick<NodeConnectionOptions, "authenticator" | "tls"> {
  const { NATS_CREDENTIALS_FILE = "", NATS_CA_FILE = "", NATS_CERT_FILE = "", NATS_KEY_FILE = "" } = security ?? {};
  const credentials = read("NATS_CREDENTIALS_FILE", NATS_CREDENTIALS_FILE);
  const ca = read("NATS_CA_FILE", NATS_CA_FILE);
  const cert = read("NATS_CERT_FILE", NATS_CERT_FILE);
  const key = read("NATS_KEY_FILE", NATS_KEY_FILE);
  if ((cert === undefined) !== (key === undefined)) {
    throw new CodedError("config.invalid", "NATS_CERT_FILE and NATS_KEY_FILE must be set together");
  }
  const wantsTls = url.split(",").some((each) => each.trim().startsWith("tls://")) || ca !== undefined || cert !== undefined;
  return {
    ...(credentials !== undefined && { authenticator: authenticatorOf(credentials, NATS_CREDENTIALS_FILE) }),
    ...(wantsTls && { tls: { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) } }),
  };
}

/** What was wrong with an attempt to connect, where trying again is of no use: the server does not trust us, or we not the server. */
export function refusalOf(error: unknown, servers: string | string[] | undefined): CodedError | undefined {
  const { message, code = "" } = error as NodeJS.ErrnoException;
  // A timeout says nothing about them: this process or the server was too busy.
  const isCredentials = error instanceof errors.AuthorizationError && !/timeout/i.test(message);
  const isTls = /CERT|TLS|SSL|SIGNATURE/.test(code) || /'tls'/.test(message);
  if (!isCredentials && !isTls) return undefined;
  const doubtful = isCredentials ? "NATS_CREDENTIALS_FILE" : "NATS_CA_FILE, NATS_CERT_FILE and NATS_KEY_FILE";
  return new CodedError("config.invalid", `the login or TLS handshake with NATS_URL=${servers} failed: ${message}. Check ${doubtful}`, {
    cause: error,
  });
}

/** A new nkey for a user: the seed is what it shows, the public key is what the server is told. */
export function createCredentials(): { seed: string; publicKey: string } {
  const pair = nkeys.createUser();
  return { seed: Buffer.from(pair.getSeed()).toString(), publicKey: pair.getPublicKey() };
}

/** @param seed As `createCredentials` has made it. */
export function publicKeyOf(seed: string): string {
  return nkeys.fromSeed(Buffer.from(seed.trim())).getPublicKey();
}

function authenticatorOf(credentials: string, file: string): NonNullable<NodeConnectionOptions["authenticator"]> {
  if (/-----BEGIN NATS USER JWT-----/.test(credentials)) return credsAuthenticator(Buffer.from(credentials));
  const line = credentials.trim();
  if (/^SU[A-Z2-7]{56}$/.test(line)) return nkeyAuthenticator(Buffer.from(line));
  const pair = /^([^:\s]+):(\S+)$/.exec(line);
  if (pair !== null) return usernamePasswordAuthenticator(pair[1] as string, pair[2]);
  throw new CodedError(
    "config.invalid",
    `NATS_CREDENTIALS_FILE=${file} has neither an nkey's seed (SU…), nor a .creds file, nor user:password`,
  );
}

function read(variable: string, path: string): string | undefined {
  return path === "" ? undefined : readNamedFile(variable, path).toString();
}

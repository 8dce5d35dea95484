import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hasOpenssl, writeCertificate } from "../test/certificate.ts";
import { readCertificate } from "./certificate.ts";
import { parseGatewayConfig } from "./config.ts";

let folder: string;
let files: { cert: string; key: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-certificate-"));
  files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = () => readCertificate({ TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key });

test("none is needed; one half of it is a mistake", () => {
  expect(readCertificate(parseGatewayConfig({ NATS_URL: "nats://127.0.0.1" }))).toBeUndefined();
  const parse = (name: string) => () => parseGatewayConfig({ NATS_URL: "nats://127.0.0.1", [name]: "/a/file.pem" });
  expect(parse("TLS_CERT_FILE")).toThrow("TLS_KEY_FILE is missing");
  expect(parse("TLS_KEY_FILE")).toThrow("TLS_CERT_FILE is missing");
});

test("a file that is not there, or has something else in it, is named", () => {
  expect(read).toThrow(`TLS_CERT_FILE=${files.cert} cannot be read: ENOENT`);
  writeFileSync(files.cert, "something else");
  expect(read).toThrow(`TLS_KEY_FILE=${files.key} cannot be read: ENOENT`);
  writeFileSync(files.key, "something else");
  expect(read).toThrow(`TLS_CERT_FILE=${files.cert} is not a PEM certificate`);
  // PEM, and nothing in it.
  writeFileSync(files.cert, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
  expect(read).toThrow(`TLS_KEY_FILE=${files.key} is not a PEM private key`);
  writeFileSync(files.key, "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n");
  expect(read).toThrow(`TLS_CERT_FILE=${files.cert} cannot be used`);
});

describe.skipIf(!hasOpenssl)("with a certificate", () => {
  test("its names and its end are known, and it differs from the next one", () => {
    writeCertificate("a", files);
    const certificate = read();
    expect(certificate).toMatchObject({ names: "DNS:localhost, IP Address:127.0.0.1" });
    expect(certificate?.expiresAt).toBeGreaterThan(Date.now());
    expect(read()?.fingerprint).toBe(certificate?.fingerprint);
    writeCertificate("a", files);
    expect(read()?.fingerprint).not.toBe(certificate?.fingerprint);
  });

  test("a key that is another one's is a mistake", () => {
    writeCertificate("a", files);
    writeCertificate("b", { ...files, cert: join(folder, "other.pem") });
    expect(read).toThrow(`TLS_KEY_FILE=${files.key} cannot be used`);
  });
});

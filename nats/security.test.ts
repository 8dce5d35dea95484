// Who is let in by a real nats-server that wants credentials, or TLS, or both.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { keptPort, startNats, type TestNats } from "../test/nats.ts";
import { connectBus } from "./connection.ts";
import { type BusSecurity, createCredentials, publicKeyOf } from "./security.ts";

let folder: string;
let nats: TestNats;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-tls-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => nats.stop());

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function serve(configuration: string, port = 0): Promise<void> {
  nats = await startNats(port, ["-c", file("nats-server.conf", configuration)]);
}

async function connects(security: Partial<BusSecurity> = {}, url = nats.url): Promise<void> {
  const all = { NATS_CREDENTIALS_FILE: "", NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "", ...security };
  const bus = await connectBus({ url, security: all, name: "test", onEvent: () => undefined });
  await bus.flush();
  await bus.close();
}

describe("credentials", () => {
  test("the seed of an nkey", async () => {
    const { seed, publicKey } = createCredentials();
    expect(publicKeyOf(`${seed}\n`)).toBe(publicKey);
    await serve(`authorization: { users: [{ nkey: ${publicKey} }] }`);
    await connects({ NATS_CREDENTIALS_FILE: file("seed", `${seed}\n`) });
    await expect(connects()).rejects.toThrow(/Authorization Violation.*NATS_CREDENTIALS_FILE/);
  });

  test("user:password", async () => {
    await serve('authorization: { user: "ada", password: "x:y" }');
    await connects({ NATS_CREDENTIALS_FILE: file("password", "ada:x:y\n") });
    await expect(connects({ NATS_CREDENTIALS_FILE: file("password", "ada:wrong") })).rejects.toThrow("config.invalid");
  });

  test("a login that came too late is tried again", async () => {
    const { seed, publicKey } = createCredentials();
    const users = `users: [{ nkey: ${publicKey} }]`;
    const port = await keptPort();
    await serve(`authorization: { timeout: 0.00001, ${users} }`, port);
    const security = { NATS_CREDENTIALS_FILE: file("seed", seed), NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
    let tellUnreached: (error: Error) => void = () => undefined;
    const unreached = new Promise<Error>((resolve) => {
      tellUnreached = resolve;
    });
    const connecting = connectBus({
      ...{ url: nats.url, security, name: "test" },
      onEvent: (event) => {
        // On a busy machine an attempt may fail before the server has said anything.
        const error = event.kind === "unreached" ? (event.error as Error) : undefined;
        if (error !== undefined && /Authentication Timeout/i.test(error.message)) tellUnreached(error);
      },
    });
    await Promise.race([unreached, connecting.then(() => expect.unreachable("the server has let it in"))]);
    await nats.stop();
    await serve(`authorization: { ${users} }`, port);
    await (await connecting).close();
  });

  test("what is none of these, and what cannot be read, is named", async () => {
    await serve("");
    const noise = file("noise", "no credentials");
    await expect(connects({ NATS_CREDENTIALS_FILE: noise })).rejects.toThrow(`NATS_CREDENTIALS_FILE=${noise}`);
    await expect(connects({ NATS_CREDENTIALS_FILE: "/nowhere" })).rejects.toThrow("NATS_CREDENTIALS_FILE=/nowhere cannot be read");
  });
});

describe.runIf(hasOpenssl())("TLS", () => {
  const tls = { ca: "", cert: "", key: "" };

  beforeAll(() => {
    Object.assign(tls, certificate());
  });

  test("a server whose certificate is signed by NATS_CA_FILE", async () => {
    await serve(`tls: { cert_file: "${tls.cert}", key_file: "${tls.key}" }`);
    await connects({ NATS_CA_FILE: tls.ca });
  });

  test("a server that nobody we know has signed is not trusted", async () => {
    await serve(`tls: { cert_file: "${tls.cert}", key_file: "${tls.key}" }`);
    await expect(connects()).rejects.toThrow(/config\.invalid.*NATS_CA_FILE/);
  });

  test("a server that wants to see our certificate", async () => {
    await serve(`tls: { cert_file: "${tls.cert}", key_file: "${tls.key}", ca_file: "${tls.ca}", verify: true }`);
    await connects({ NATS_CA_FILE: tls.ca, NATS_CERT_FILE: tls.cert, NATS_KEY_FILE: tls.key });
    await expect(connects({ NATS_CA_FILE: tls.ca, NATS_CERT_FILE: tls.cert })).rejects.toThrow("must be set together");
  });

  test("tls:// is never answered in the clear", async () => {
    await serve("");
    await expect(connects({}, nats.url.replace("nats://", "tls://"))).rejects.toThrow("does not support 'tls'");
  });
});

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Of localhost, for servers and clients, signed by itself. */
function certificate(): { ca: string; cert: string; key: string } {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const request = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=test",
    "-addext",
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
  ];
  execFileSync("openssl", [...request, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { ca: cert, cert, key };
}

// Which TLS clients may speak, by real handshakes.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOpenssl, writeCertificate } from "../../test/certificate.ts";
import { RawClient } from "../../test/raw-client.ts";
import { loadLibrary } from "./library.ts";
import { listen, type Server } from "./server.ts";

describe.skipIf(!hasOpenssl)("TLS", () => {
  let folder: string;
  let server: Server;
  let mayConnect = true;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "thinstate-tls-"));
    const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    writeCertificate("localhost", files);
    server = await listen(
      {
        host: "127.0.0.1",
        port: 0,
        tls: { certFile: files.cert, keyFile: files.key },
        limits: { frameBytes: 65_536, backpressureBytes: 65_536, idleTimeoutMs: 120_000, compresses: false },
      },
      {
        mayConnect: () => mayConnect,
        onUpgrade: (_, client) => client.accept(() => ({}), "", []),
        onRequest: (_, client) => client.answer({ status: 404, headers: [], body: "" }),
        onOpen: () => undefined,
        onMessage: () => undefined,
        onClose: () => undefined,
      },
    );
  });

  afterAll(() => {
    server.stopListening();
    rmSync(folder, { recursive: true });
  });

  /** @returns what was agreed on. @throws where nothing was. */
  async function agreed(options: ConnectionOptions): Promise<string> {
    const socket = connect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false, ...options });
    try {
      await once(socket, "secureConnect");
      return `${socket.getProtocol()} ${socket.getCipher().name}`;
    } finally {
      socket.destroy();
    }
  }

  test.each([
    [{}, /^TLSv1\.3 TLS_/],
    [{ maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" }, /^TLSv1\.2 ECDHE-ECDSA-AES128-GCM-SHA256$/],
    [{ maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305" }, /^TLSv1\.2 ECDHE-ECDSA-CHACHA20-POLY1305$/],
  ] as const)("%j is let in", async (options, what) => {
    expect(await agreed(options)).toMatch(what);
  });

  test.each([
    // CBC with SHA-1: no authenticated encryption.
    { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA" },
    { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES256-SHA" },
    { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" },
  ] as const)("%j is refused", async (options) => {
    await expect(agreed(options)).rejects.toThrow(/alert|handshake|ECONNRESET/i);
  });

  test.runIf(loadLibrary().version === "20.69")("who may not connect is cut off before TLS begins", async () => {
    mayConnect = false;
    expect(await RawClient.untilClosed(`http://127.0.0.1:${server.port}`, "")).toBe("");
    await expect(agreed({})).rejects.toThrow(/before secure TLS|ECONNRESET/);
    mayConnect = true;
    expect(await agreed({})).toMatch(/^TLSv1\.3/);
  });
});

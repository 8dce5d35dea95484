// Certificates for a test, signed by themselves.

import { execFileSync, spawnSync } from "node:child_process";

export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** Of localhost and 127.0.0.1; `name` tells it from others. */
export function writeCertificate(name: string, files: { readonly cert: string; readonly key: string }): void {
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", [...request, "-subj", `/CN=${name}`, "-addext", names, "-keyout", files.key, "-out", files.cert], {
    stdio: "ignore",
  });
}

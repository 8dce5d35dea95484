// Bodies that are written as they come, to real sockets that take them slowly, or not at all.

import { mkdtempSync } from "node:fs";
import { type IncomingMessage, get as plainGet } from "node:http";
import { get as tlsGet } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { hasOpenssl, writeCertificate } from "../../test/certificate.ts";
import { patienceMs } from "../../testbed/patience.ts";
import type { Body } from "./response-body.ts";
import { listen, type Server } from "./server.ts";
import type { WaitingClient } from "./waiting-client.ts";

const limits = { frameBytes: 65_536, backpressureBytes: 65_536, idleTimeoutMs: 120_000, compresses: false };
/** More than the buffers of two sockets have. */
const wholeBytes = 16 * 1024 * 1024;
const windowBytes = 256 * 1024;

let server: Server | undefined;

afterEach(() => server?.stopListening());

/** Counts up in four bytes: what is lost, doubled or out of order shows. */
const whole = Buffer.from(Uint32Array.from({ length: wholeBytes / 4 }, (_, index) => index).buffer);

function certificate(): { certFile: string; keyFile: string } {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-body-"));
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  writeCertificate("body", files);
  return { certFile: files.cert, keyFile: files.key };
}

/** Answers each request with `answer`, and resolves with the first answer's head. */
async function ask(isTls: boolean, answer: (client: WaitingClient) => void): Promise<IncomingMessage> {
  server = await listen<object>(
    { host: "127.0.0.1", port: 0, tls: isTls ? certificate() : undefined, limits },
    {
      onUpgrade: () => expect.fail("no upgrade was asked for"),
      // Later, as all answers of workers come: within its own callbacks uWebSockets.js has corked the socket.
      onRequest: (_, client) => void setImmediate(() => answer(client)),
      onOpen: () => undefined,
      onMessage: () => undefined,
      onClose: () => undefined,
    },
  );
  const { port } = server;
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, agent: false, rejectUnauthorized: false };
    (isTls ? tlsGet(options, resolve) : plainGet(options, resolve)).on("error", reject);
  });
}

async function read(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  response.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => response.on("error", () => undefined).on("close", resolve));
  return Buffer.concat(chunks);
}

/** Writes the whole, with no more than a window that is not taken. */
class Source {
  sent = 0;
  taken = 0;
  isGone = false;
  private readonly chunkBytes: number;
  private body: Body | undefined;

  constructor(chunkBytes: number) {
    this.chunkBytes = chunkBytes;
  }

  answer(client: WaitingClient, length: number | undefined): void {
    client.onGone = () => {
      this.isGone = true;
    };
    this.body = client.begin({ status: 200, headers: [], length }, (bytes) => {
      this.taken += bytes;
      queueMicrotask(() => this.go());
    });
    this.go();
  }

  private go(): void {
    while (this.sent < wholeBytes && this.sent - this.taken < windowBytes) {
      const chunk = whole.subarray(this.sent, this.sent + this.chunkBytes);
      this.sent += chunk.length;
      this.body?.write(chunk);
      if (this.sent >= wholeBytes) this.body?.end();
    }
  }
}

describe.each(hasOpenssl ? [false, true] : [false])("TLS: %s", (isTls) => {
  describe.each([undefined, wholeBytes])("length: %s", (length) => {
    test.each([1_000, 65_536, 200_000])("a client that stops reading for a while gets all of it, in chunks of %i", async (chunkBytes) => {
      const source = new Source(chunkBytes);
      const response = await ask(isTls, (client) => source.answer(client, length));
      // Nothing is read before the sockets are full, and a window waits.
      while (source.sent - source.taken < windowBytes) await new Promise((resolve) => setImmediate(resolve));
      expect(source.taken).toBeLessThan(wholeBytes);
      expect(source.sent - source.taken).toBeLessThan(windowBytes + chunkBytes);
      expect((await read(response)).equals(whole)).toBe(true);
      expect([response.complete, source.taken, source.isGone]).toEqual([true, wholeBytes, false]);
    });

    test("a body that is cut does not look whole", async () => {
      const response = await ask(isTls, (client) => {
        const body = client.begin({ status: 200, headers: [], length }, () => undefined);
        body?.write(Buffer.from("a part"));
        body?.cut();
        body?.write(Buffer.from("what comes later"));
        body?.end();
      });
      expect((await read(response)).toString()).toBe("a part");
      expect(response.complete).toBe(false);
    });
  });
});

test("a body that ends before its length is cut", async () => {
  const response = await ask(false, (client) => {
    const body = client.begin({ status: 200, headers: [], length: 10 }, () => undefined);
    body?.write(Buffer.from("a part"));
    body?.end();
  });
  expect((await read(response)).toString()).toBe("a part");
  expect(response.complete).toBe(false);
});

test("a body that is longer than its length is cut", async () => {
  const response = await ask(false, (client) => {
    const body = client.begin({ status: 200, headers: [], length: 10 }, () => undefined);
    body?.write(Buffer.from("a part"));
    body?.write(Buffer.from("too much"));
  });
  expect(await read(response)).toHaveLength(6);
  expect(response.complete).toBe(false);
});

test("what comes behind a whole body waits for nobody", async () => {
  let taken = 0;
  const response = await ask(false, (client) => {
    const body = client.begin({ status: 200, headers: [], length: 4 }, (bytes) => {
      taken += bytes;
    });
    body?.write(Buffer.from("body"));
    body?.write(Buffer.from("too much"));
    body?.end();
  });
  expect((await read(response)).toString()).toBe("body");
  expect([response.complete, taken]).toEqual([true, "bodytoo much".length]);
});

test("a connection serves the next request after a body in pieces", async () => {
  let requests = 0;
  const response = await ask(false, (client) => {
    requests++;
    const body = client.begin({ status: 200, headers: [], length: requests === 1 ? undefined : 4 }, () => undefined);
    body?.write(Buffer.from("body"));
    body?.end();
  });
  expect((await read(response)).toString()).toBe("body");
  const port = server?.port ?? 0;
  for (let count = 0; count < 3; count++) expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("body");
});

test.each([
  ["more than its socket takes waits here", wholeBytes],
  ["the last of it waits within uWebSockets.js", undefined],
])("an answer is being written until its client's socket has all of it: %s", async (_, length) => {
  let body: Body | undefined;
  let written = 0;
  const write = (bytes: number) => {
    body?.write(whole.subarray(written, written + bytes));
    written += bytes;
  };
  const response = await ask(false, (client) => {
    body = client.begin({ status: 200, headers: [], length }, () => undefined);
    write(4);
  });
  // Of a body in chunks nobody outside is told which write it was that the socket did not take.
  if (length === undefined) while (!(body as unknown as { isFull: boolean }).isFull) write(4_096);
  else write(length - written);
  body?.end();
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(server?.writing).toBe(1);
  expect((await read(response)).equals(whole.subarray(0, written))).toBe(true);
  expect([response.complete, server?.writing]).toEqual([true, 0]);
});

test("an answer whose client goes is being written no more", async () => {
  const response = await ask(false, (client) => {
    client.begin({ status: 200, headers: [["content-type", "text/event-stream"]], length: undefined }, () => undefined);
  });
  expect(server?.writing).toBe(1);
  response.destroy();
  await expect.poll(() => server?.writing, { timeout: patienceMs }).toBe(0);
});

test("a length beyond four gigabytes is told as it is", async () => {
  const response = await ask(false, (client) => {
    client.begin({ status: 200, headers: [], length: 5_000_000_000 }, () => undefined)?.write(Buffer.from("a part"));
  });
  expect(response.headers["content-length"]).toBe("5000000000");
  response.destroy();
});

test("a stream may be silent for longer than uWebSockets.js lets a client be that takes nothing", async () => {
  let body: Body | undefined;
  const response = await ask(false, (client) => {
    body = client.begin({ status: 200, headers: [["content-type", "text/event-stream"]], length: undefined }, () => undefined);
  });
  const reading = read(response);
  // Its time-out of 10 s is looked at every 4 s.
  const closed = await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 15_000, "open"))]);
  expect(closed).toBe("open");
  body?.write(Buffer.from("data: late\n\n"));
  body?.end();
  expect((await reading).toString()).toContain("data: late\n\n");
});

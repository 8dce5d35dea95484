import fc from "fast-check";
import { expect, test } from "vitest";
import { Frames } from "./frames.ts";

interface Operation {
  readonly bytes: Buffer;
  /** Of a message without headers. */
  readonly message?: { readonly sid: number; readonly payload: Uint8Array };
}

const control: fc.Arbitrary<Operation> = fc
  .constantFrom("PING\r\n", "PONG\r\n", "+OK\r\n", "-ERR 'Slow Consumer'\r\n", 'INFO {"max_payload":1048576}\r\n')
  .map((line) => ({ bytes: Buffer.from(line) }));
const payloads = fc.uint8Array({ maxLength: 300 });
const message: fc.Arbitrary<Operation> = fc
  .record({ sid: fc.constantFrom(7, 12, 130), reply: fc.boolean(), payload: payloads })
  .map(({ sid, reply, payload }) => {
    const head = `MSG some.subject ${sid} ${reply ? "some.reply " : ""}${payload.length}\r\n`;
    return { bytes: Buffer.concat([Buffer.from(head), payload, Buffer.from("\r\n")]), message: { sid, payload } };
  });
const messageWithHeaders: fc.Arbitrary<Operation> = payloads.map((payload) => {
  const headers = "NATS/1.0 503\r\n\r\n";
  const head = `HMSG some.subject 12 ${headers.length} ${headers.length + payload.length}\r\n${headers}`;
  return { bytes: Buffer.concat([Buffer.from(head), payload, Buffer.from("\r\n")]) };
});
const operations = fc.array(fc.oneof({ arbitrary: message, weight: 3 }, messageWithHeaders, control), {
  minLength: 1,
  maxLength: 12,
  size: "max",
});
const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 });

/** Subscriptions that have a listener. */
const listened = new Set([12, 130]);

test("however operations are cut into reads, each is handled once and in order: messages by their listeners, all else by the client", () => {
  fc.assert(
    fc.property(operations, cuts, fc.array(fc.boolean(), { minLength: 1 }), (sent, lengths, reads) => {
      let next = 0;
      let isIdle = true;
      const frames = new Frames({
        listenerOf: (sid) => {
          if (!listened.has(sid)) return undefined;
          return {
            subject: sid === 12 ? "given" : undefined,
            hear: (subject, payload) => {
              expect(subject).toBe(sid === 12 ? "given" : "some.subject");
              // The client has to handle first what it was given first.
              expect(isIdle).toBe(true);
              expect(sent[next]?.message).toEqual({ sid, payload: new Uint8Array(payload) });
              next++;
            },
          };
        },
        isIdle: () => isIdle,
        push: (bytes) => {
          isIdle = false;
          // Whole operations.
          for (let at = 0; at < bytes.length; next++) {
            const { bytes: expected } = sent[next] as Operation;
            expect(Buffer.from(bytes.subarray(at, at + expected.length)).equals(expected)).toBe(true);
            at += expected.length;
          }
        },
      });
      const stream = Buffer.concat(sent.map(({ bytes }) => bytes));
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const length = lengths[cut % lengths.length] as number;
        const read = Buffer.from(stream.subarray(at, at + length));
        frames.take(read);
        // The next read comes into the same memory, and the client may or may not have caught up until then.
        read.fill(0xff);
        isIdle ||= reads[cut % reads.length] as boolean;
        at += length;
      }
      expect(next).toBe(sent.length);
    }),
    { numRuns: 500 },
  );
});

test("what a listener got stays as it is when the next read comes into the same memory", () => {
  const got: Buffer[] = [];
  const listener = { subject: "a", hear: (_: string, payload: Buffer) => got.push(payload) };
  const frames = new Frames({ listenerOf: () => listener, isIdle: () => true, push: () => undefined });
  const memory = Buffer.from("MSG a 1 2\r\nhi\r\nMSG a 1 5\r\nthere\r\nMSG a 1 3\r\ny");
  frames.take(memory);
  memory.fill(0);
  frames.take(Buffer.from("ou\r\n"));
  expect(got.map(String)).toEqual(["hi", "there", "you"]);
});

test("what the client is to read of one read is handed on in one piece, and so is a large message", () => {
  const pieces: Uint8Array[] = [];
  const frames = new Frames({ listenerOf: () => undefined, isIdle: () => true, push: (bytes) => pieces.push(bytes) });
  const whole = Buffer.from("PING\r\nMSG a 1 2\r\nhi\r\n");
  frames.take(whole);
  expect(pieces).toEqual([whole]);
  const large = Buffer.concat([Buffer.from("MSG a 1 100000\r\n"), Buffer.alloc(100_000, 7), Buffer.from("\r\n")]);
  for (let at = 0; at < large.length; at += 30_000) frames.take(large.subarray(at, at + 30_000));
  expect(pieces).toHaveLength(2);
  expect(Buffer.from(pieces[1] as Uint8Array).equals(large)).toBe(true);
});

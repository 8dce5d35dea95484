import fc from "fast-check";
import { expect, test } from "vitest";
import { Frames } from "./nats-transport.ts";

const operation = fc.oneof(
  fc.constantFrom("PING\r\n", "PONG\r\n", "+OK\r\n", "-ERR 'Slow Consumer'\r\n", 'INFO {"max_payload":1048576}\r\n').map(Buffer.from),
  fc.record({ reply: fc.boolean(), payload: fc.uint8Array({ maxLength: 300 }) }).map(({ reply, payload }) => {
    const head = `MSG some.subject 12 ${reply ? "some.reply " : ""}${payload.length}\r\n`;
    return Buffer.concat([Buffer.from(head), payload, Buffer.from("\r\n")]);
  }),
  fc.uint8Array({ maxLength: 300 }).map((payload) => {
    const headers = "NATS/1.0 503\r\n\r\n";
    const head = `HMSG some.subject 7 ${headers.length} ${headers.length + payload.length}\r\n${headers}`;
    return Buffer.concat([Buffer.from(head), payload, Buffer.from("\r\n")]);
  }),
);

test("however operations are cut into reads, each piece that is handed on is made of whole ones, and nothing is added or lost", () => {
  fc.assert(
    fc.property(
      fc.array(operation, { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
      (operations, cuts) => {
        const stream = Buffer.concat(operations);
        const ends = new Set<number>();
        let end = 0;
        for (const { length } of operations) {
          end += length;
          ends.add(end);
        }
        const pieces: Uint8Array[] = [];
        let handed = 0;
        const frames = new Frames((bytes) => {
          pieces.push(bytes);
          handed += bytes.length;
          expect(ends.has(handed)).toBe(true);
        });
        for (let at = 0, cut = 0; at < stream.length; cut++) {
          const length = cuts[cut % cuts.length] as number;
          const read = Buffer.from(stream.subarray(at, at + length));
          frames.take(read);
          // The next read comes into the same memory.
          read.fill(0xff);
          at += length;
        }
        expect(Buffer.concat(pieces).equals(stream)).toBe(true);
      },
    ),
  );
});

test("what comes in one read is handed on in one piece, and so is a large message", () => {
  const pieces: Uint8Array[] = [];
  const frames = new Frames((bytes) => pieces.push(bytes));
  const whole = Buffer.from("PING\r\nMSG a 1 2\r\nhi\r\n");
  frames.take(whole);
  expect(pieces).toEqual([whole]);
  const large = Buffer.concat([Buffer.from("MSG a 1 100000\r\n"), Buffer.alloc(100_000, 7), Buffer.from("\r\n")]);
  for (let at = 0; at < large.length; at += 30_000) frames.take(large.subarray(at, at + 30_000));
  expect(pieces).toHaveLength(2);
  expect(Buffer.from(pieces[1] as Uint8Array).equals(large)).toBe(true);
});

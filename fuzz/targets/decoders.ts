// The decoders alone: whatever the bytes are, there is a value or a refusal with its code, and nothing else.

import fc from "fast-check";
import { parseScrape, parseScraped } from "../../process/scrape.ts";
import { parseCommand, parseResult } from "../../protocol/commands.ts";
import { parseDeployProgress } from "../../protocol/deploy-progress.ts";
import { BatchBuilder, decodeBatch, protocolVersion } from "../../protocol/envelope.ts";
import { isCodedError } from "../../protocol/errors.ts";
import { parseHeartbeat } from "../../protocol/heartbeat.ts";
import { decodeAnnouncement } from "../../protocol/membership.ts";
import * as payloads from "../../protocol/payloads.ts";
import { parsePipe } from "../../protocol/pipe-records.ts";
import * as records from "../../protocol/records.ts";
import { parseRepair } from "../../protocol/repair.ts";
import { decodeTogether } from "../../protocol/together.ts";
import { madeUpRecord } from "../records.ts";
import { target } from "../target.ts";

const parsers: ReadonlyArray<(bytes: Buffer) => unknown> = [
  ...[records.parsePin, records.parseUpgrade, records.parseUpgraded, records.parseRequest, records.parseResponded],
  ...[records.parseResponding, records.parseCredit, parseCommand, records.parseStates, records.parseCount],
  ...[parseResult, records.parseGatewayLost, parseRepair, payloads.decodePublish, payloads.decodeClose],
  ...[payloads.decodePublishExcept, payloads.decodeTimer, payloads.decodeSetTimer, parseDeployProgress, parseScrape, parseScraped],
  ...[parseHeartbeat, decodeTogether, parsePipe],
];

/** By the letter behind the version: with it, they look at the rest. */
const lettered: ReadonlyArray<readonly [number, (bytes: Buffer) => unknown]> = [
  [0x4d, decodeAnnouncement],
  [0x44, parseDeployProgress],
  [0x51, parseScrape],
  [0x41, parseScraped],
];

const allTypes = [...Object.values(records.toWorker), ...Object.values(records.toGateway)];

/** @throws where it throws anything but a refusal. */
function refusedAtMost(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!isCodedError(error, "envelope.malformed") && !isCodedError(error, "envelope.version")) throw error;
  }
}

function readAll(bytes: Buffer): void {
  const batch = decodeBatch(bytes);
  for (let index = 0; index < batch.records; index++) {
    batch.text(index);
    for (const parse of parsers) refusedAtMost(() => parse(batch.payload(index)));
  }
}

export const decoders = target({
  name: "decoders",
  title: "the decoders of batches, records and announcements, without a process",
  cases: 2_000,
  isPure: true,
  arbitrary: fc.record({
    records: fc.array(madeUpRecord(allTypes, false), { maxLength: 5 }),
    flips: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat({ max: 255 })), { maxLength: 6 }),
    any: fc.uint8Array({ maxLength: 300 }),
  }),
  strike: (_scene, { records: madeUp, flips, any }) => {
    const builder = new BatchBuilder();
    for (const { payload, stolen: _, ...head } of madeUp) builder.append(head, payload);
    if (madeUp.length > 0) {
      const bytes = Buffer.from(builder.seal({ from: "a", to: "b", session: 1, peerSession: 0, seq: 1, ack: 0, gap: false }));
      for (const [place, byte] of flips) bytes[Math.floor(place * bytes.length)] = byte;
      refusedAtMost(() => readAll(bytes));
    }
    const foreign = Buffer.from(any);
    for (const parse of parsers) refusedAtMost(() => parse(foreign));
    refusedAtMost(() => decodeBatch(foreign));
    refusedAtMost(() => decodeAnnouncement(foreign));
    for (const [letter, parse] of lettered) refusedAtMost(() => parse(Buffer.concat([Buffer.from([protocolVersion, letter]), foreign])));
  },
});

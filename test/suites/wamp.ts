// WAMP's published test vectors against the adapter's codec and validation, and its sequences of messages against the router.
// They are fetched by hand, and never part of this repository:
//
//   git clone https://github.com/wamp-proto/wamp-proto /tmp/wamp-proto
//   node --import ./process/typescript.mjs test/suites/wamp.ts /tmp/wamp-proto/testsuite

import { readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { decode, encode } from "../../worker/adapters/wamp/messages/codec.ts";
import type { Serializer } from "../../worker/adapters/wamp/messages/identifiers.ts";
import { type, violationOf, type WampMessage } from "../../worker/adapters/wamp/messages/messages.ts";
import { WireSession } from "../../worker/adapters/wamp/testing/wire-session.ts";
import { wamp } from "../../worker/adapters/wamp/wamp.ts";
import { ReceivedMessage } from "../../worker/message.ts";
import { testHandler } from "../../worker/testing.ts";

interface Bytes {
  readonly bytes_hex: string;
}

interface Sample {
  readonly description: string;
  readonly serializers?: Readonly<Record<string, readonly Bytes[]>>;
  readonly expected_attributes?: Readonly<Record<string, unknown>>;
  readonly wmsg?: unknown;
  readonly expected_error?: { readonly contains: string };
}

interface Step {
  readonly from: string;
  readonly to: string;
  readonly message: { readonly type: keyof typeof type; readonly request_id?: number; options?: object; topic?: string; args?: unknown[] };
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("which folder? See the head of this file");
const tally = { passed: 0, failed: 0, skipped: 0 };

function filesOf(part: string): string[] {
  const names = readdirSync(`${folder}/${part}`, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => readFileSync(`${folder}/${part}/${name}`, "utf8"));
}

function count(what: string, fault: string | undefined): void {
  tally[fault === undefined ? "passed" : "failed"]++;
  if (fault !== undefined) console.log(`failed: ${what}: ${fault}`);
}

/** What is read of the bytes is what they stand for, and written again it is what one of the encodings has. */
function faultOf(
  serializer: Serializer,
  all: readonly Bytes[],
  { bytes_hex }: Bytes,
  attributes: Sample["expected_attributes"],
): string | undefined {
  const message = decode(new ReceivedMessage(Buffer.from(bytes_hex, "hex"), serializer === "msgpack"), serializer) as WampMessage;
  const violation = violationOf(message);
  if (violation !== undefined) return violation;
  const written = Buffer.from(encode(message, serializer)).toString("hex");
  if (!all.some((other) => other.bytes_hex === written)) return `written as ${written}`;
  const within = (value: unknown) =>
    message.some((part) => isDeepStrictEqual(part, value) || (part as Record<string, unknown>)?.enc_algo === value);
  const told = Object.entries(attributes ?? {}).filter(([name, value]) => plainAttributes.includes(name) && value !== null);
  return told.find(([, value]) => !within(value))?.[0];
}

const plainAttributes = ["message_type", "request_id", "topic", "procedure", "reason", "error", "args", "realm", "session_id", "signature"];

async function runSequence(sequence: readonly Step[]): Promise<string | undefined> {
  const app = await testHandler(wamp({ path: "/ws", realms: ["realm1"] }));
  const sessions = new Map<string, WireSession>();
  for (const { from, to, message } of sequence) {
    const name = from === "router" ? to : from;
    const session = sessions.get(name) ?? (await WireSession.join(app));
    sessions.set(name, session);
    if (from === "router") {
      const got = await session.next();
      if (got[0] !== type[message.type]) return `${JSON.stringify(got)} instead of ${message.type}`;
      if (message.args !== undefined && !isDeepStrictEqual(got.at(-1), message.args))
        return `${JSON.stringify(got)} instead of ${message.args}`;
    } else {
      const { request_id, options, topic, args } = message;
      await session.send([type[message.type], request_id, options, topic, ...(args === undefined ? [] : [args])]);
    }
  }
  return undefined;
}

for (const text of filesOf("singlemessage")) {
  const { samples } = JSON.parse(text) as { samples: readonly Sample[] };
  for (const { description, serializers = {}, expected_attributes, wmsg, expected_error } of samples) {
    for (const [name, all] of Object.entries(serializers)) {
      if (name !== "json" && name !== "msgpack") tally.skipped += all.length;
      else for (const bytes of all) count(`${description}, ${name}`, faultOf(name, all, bytes, expected_attributes));
    }
    if (wmsg === undefined) continue;
    const violation = violationOf(wmsg);
    const isRight = expected_error === undefined ? violation === undefined : violation?.includes(expected_error.contains);
    count(description, isRight ? undefined : `it is said to be ${violation ?? "right"}`);
  }
}
for (const text of filesOf("multisession")) {
  const { description, sequence } = JSON.parse(text) as { description: string; sequence: readonly Step[] };
  count(description, await runSequence(sequence));
}
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} of other serializers`);
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1;
